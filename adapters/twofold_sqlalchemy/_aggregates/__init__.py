"""The state of aggregates: JSON, mapped tables, ORM classes, and snapshots."""
