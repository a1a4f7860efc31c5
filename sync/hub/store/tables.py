"""Every module that declares tables, imported so that `Base.metadata` is complete."""

from sync.hub.audit import aggregates, retention
from sync.hub.audit import readings as audit_readings
from sync.hub.doors import commands, enrol_models, in_service, updates
from sync.hub.doors import readers as door_readers
from sync.hub.events import hub_events, subscriptions
from sync.hub.records import log_store, visits
from sync.hub.store import models

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
