"""Every module that declares tables, imported so that `Base.metadata` is complete."""

from sync.hub import (
    aggregates,
    audit_readings,
    commands,
    door_readers,
    enrol_models,
    hub_events,
    in_service,
    log_store,
    models,
    retention,
    subscriptions,
    updates,
    visits,
)

ALL = (
    models,
    commands,
    door_readers,
    enrol_models,
    log_store,
    hub_events,
    subscriptions,
    visits,
    aggregates,
    audit_readings,
    retention,
    in_service,
    updates,
)
