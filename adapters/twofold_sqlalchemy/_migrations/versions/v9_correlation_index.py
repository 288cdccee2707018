"""Add the index of the event log by correlation id. On MariaDB and MySQL it has a generated column."""

from __future__ import annotations

from sqlalchemy import MetaData, Table

from twofold_sqlalchemy._migrations.steps import add_column, add_index, columns

revision = "twofold_9"
down_revision = "twofold_8"


def upgrade() -> None:
    """Upgrade from version 8."""
    own = columns()
    items = own.correlation_index("twofold_events_correlation")
    events = Table("twofold_events", MetaData(), own.position("position"), *items)
    for column in events.columns:
        if column.computed is not None:
            add_column(events.name, column)
    for index in events.indexes:
        add_index(index)
