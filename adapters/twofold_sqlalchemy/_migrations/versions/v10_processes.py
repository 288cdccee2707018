"""Add the table of processes."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer

from twofold_sqlalchemy._dialects.codec import Kind
from twofold_sqlalchemy._migrations.steps import add_index, add_table, columns

revision = "twofold_10"
down_revision = "twofold_9"


def upgrade() -> None:
    """Upgrade from version 9."""
    name, number, uuid, time, json, text = (
        columns().codec(kind).type for kind in (Kind.NAME, Kind.INTEGER, Kind.UUID, Kind.DATETIME, Kind.JSON, Kind.TEXT)
    )
    table = add_table(
        "twofold_processes",
        Column("process", name, primary_key=True, autoincrement=False),
        Column("key", name, primary_key=True, autoincrement=False),
        Column("incarnation", uuid, nullable=False),
        Column("state", name, nullable=False),
        Column("schema", Integer(), nullable=False),
        Column("data", json, nullable=False),
        Column("progress", json, nullable=False),
        Column("reason", text, nullable=False),
        Column("position", number, nullable=False),
        Column("time", time, nullable=False),
    )
    add_index(Index("twofold_processes_state", table.c.process, table.c.state))
    add_index(Index("twofold_processes_time", table.c.state, table.c.time))
