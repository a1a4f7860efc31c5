"""Every module that declares tables, imported so that `Base.metadata` is complete."""

from sync.hub import hub_events, log_store, models, subscriptions

ALL = (models, log_store, hub_events, subscriptions)
