"""Add the tags of events, and the records of the fields whose tags are stored."""

from __future__ import annotations

from sqlalchemy import Column

from twofold_sqlalchemy._dialects.codec import Kind
from twofold_sqlalchemy._migrations.steps import add_table, columns

revision = "twofold_11"
down_revision = "twofold_10"


def upgrade() -> None:
    """Upgrade from version 10."""
    name, number = (columns().codec(kind).type for kind in (Kind.NAME, Kind.INTEGER))
    add_table(
        "twofold_tags",
        Column("tag", name, primary_key=True, autoincrement=False),
        Column("position", number, primary_key=True, autoincrement=False),
        Column("name", name, nullable=False),
    )
    add_table(
        "twofold_tagged",
        Column("event", name, primary_key=True, autoincrement=False),
        Column("field", name, primary_key=True, autoincrement=False),
        Column("filled", number),
    )
