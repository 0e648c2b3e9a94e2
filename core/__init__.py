"""The few things that all apps share: ids, databases, Valkey, events, pagination, errors."""
