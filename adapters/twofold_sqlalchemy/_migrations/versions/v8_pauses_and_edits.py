"""Add the pauses of subscriptions and the edits of parked events; replace the triggers of PostgreSQL.

The trigger of an append no longer reads the inline generation, and a function does.
"""

from __future__ import annotations

from sqlalchemy import Column

from twofold_sqlalchemy._dialects.codec import Kind
from twofold_sqlalchemy._migrations.steps import add_column, add_table, columns, replace_triggers

revision = "twofold_8"
down_revision = None


def upgrade() -> None:
    """Upgrade from version 7."""
    name, time, text = (columns().codec(kind).type for kind in (Kind.NAME, Kind.DATETIME, Kind.TEXT))
    add_table(
        "twofold_pauses",
        Column("subscription", name, primary_key=True, autoincrement=False),
        Column("since", time, nullable=False),
        Column("reason", text, nullable=False),
    )
    add_column("twofold_parked", Column("edited_at", time))
    add_column("twofold_parked", Column("edited_by", text))
    add_column("twofold_parked", Column("edit_reason", text))
    replace_triggers()
