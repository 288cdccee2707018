"""Add the unique values, and the outcomes of durable steps."""

from __future__ import annotations

from sqlalchemy import Column

from twofold_sqlalchemy._dialects.codec import Kind
from twofold_sqlalchemy._migrations.steps import add_table, columns

revision = "twofold_12"
down_revision = "twofold_11"


def upgrade() -> None:
    """Upgrade from version 11."""
    kinds = Kind.NAME, Kind.UUID, Kind.JSON, Kind.DATETIME
    name, uuid, json, time = (columns().codec(kind).type for kind in kinds)
    add_table(
        "twofold_unique",
        Column("key", name, primary_key=True, autoincrement=False),
        Column("tenant", name, nullable=False),
        Column("scope", name, nullable=False),
        Column("owner", name, nullable=False),
        Column("time", time, nullable=False),
    )
    add_table(
        "twofold_steps",
        Column("owner", name, primary_key=True, autoincrement=False),
        Column("input", uuid, primary_key=True, autoincrement=False),
        Column("name", name, primary_key=True, autoincrement=False),
        Column("state", name, nullable=False),
        Column("outcome", json),
        Column("time", time, nullable=False),
    )
