"""State of aggregates: JSON, mapped tables, ORM classes, snapshots."""
