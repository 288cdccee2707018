"""Twofold's own tables."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from sqlalchemy import Column, Index, Integer, MetaData, Table, UniqueConstraint

from .._dialects.codec import Kind
from .._dialects.dialect import Dialect

SCHEMA: Final = 4
"""The version of the tables below. Increment it with each change of the tables."""


@dataclass(frozen=True)
class Tables:
    """The tables that every store has.

    Attributes:
        meta: one row, with the log's identity and the version of the tables.
        events: the event log.
        checkpoints: the checkpoint and the lease of each partition of each subscription.
        workers: the workers that compete for partitions.
        parked: the parked events of subscriptions.
        state: the aggregates without tables of their own, as JSON.
        keys: the idempotency keys of commands, with their results.
        inbox: the messages that consumers have received.
        snapshots: the snapshots of event-sourced aggregates.
        schedule: the scheduled commands.
        kept: how the aggregates of each type are stored.
    """

    meta: Table
    events: Table
    checkpoints: Table
    workers: Table
    parked: Table
    state: Table
    keys: Table
    inbox: Table
    snapshots: Table
    schedule: Table
    kept: Table

    @property
    def all(self) -> tuple[Table, ...]:
        """All tables."""
        return tuple(getattr(self, field.name) for field in fields(self))


def own_tables(dialect: Dialect, metadata: MetaData) -> Tables:
    """Create the tables in a `MetaData`."""
    name, number = dialect.columns.codec(Kind.NAME).type, dialect.columns.codec(Kind.INTEGER).type
    uuid, time = dialect.columns.codec(Kind.UUID).type, dialect.columns.codec(Kind.DATETIME).type
    json, seconds = dialect.columns.codec(Kind.JSON).type, dialect.columns.codec(Kind.FLOAT).type
    options = dialect.columns.table_options()

    def event() -> list[Column[object]]:
        return [
            Column("stream", name, nullable=False),
            Column("version", number, nullable=False),
            Column("name", name, nullable=False),
            Column("schema_version", Integer, nullable=False),
            Column("time", time, nullable=False),
            Column("id", uuid, nullable=False),
            Column("metadata", json, nullable=False),
            Column("data", json, nullable=False),
        ]

    meta = Table(
        "twofold_meta",
        metadata,
        Column("number", Integer, primary_key=True, autoincrement=False),  # always 1, for there is one row
        Column("log", name, nullable=False),
        Column("schema_version", Integer, nullable=False),
        *dialect.columns.meta_columns(),
        **options,
    )
    # The poll reads in the order of the primary key. The name, by which it filters, precedes the long columns.
    events = Table(
        "twofold_events",
        metadata,
        dialect.columns.position("position"),
        *event(),
        UniqueConstraint("stream", "version", name="twofold_events_stream"),
        UniqueConstraint("id", name="twofold_events_id"),
        **dialect.columns.table_options(counted=True),
    )
    checkpoints = Table(
        "twofold_checkpoints",
        metadata,
        Column("subscription", name, primary_key=True),
        Column("partition", Integer, primary_key=True, autoincrement=False),
        Column("position", number, nullable=False),
        Column("log", name, nullable=False),
        Column("parked", number, nullable=False),
        Column("generation", number, nullable=False),
        Column("owner", name),
        Column("expires", seconds, nullable=False),  # seconds since 1970, by the database's clock
        **options,
    )
    workers = Table(
        "twofold_workers",
        metadata,
        Column("subscription", name, primary_key=True),
        Column("owner", name, primary_key=True),
        Column("expires", seconds, nullable=False),
        **options,
    )
    parked = Table(
        "twofold_parked",
        metadata,
        dialect.columns.counter("number"),
        Column("subscription", name, nullable=False),
        Column("position", number, nullable=False),
        Column("key", name, nullable=False),
        Column("reason", dialect.columns.codec(Kind.TEXT).type, nullable=False),
        Column("attempts", number, nullable=False),
        Column("parked_at", time, nullable=False),
        Column("again", time),  # the time of the next retry, by the application's clock, as is `parked_at`
        *event(),
        UniqueConstraint("subscription", "position", name="twofold_parked_once"),
        Index("twofold_parked_key", "subscription", "key"),
        Index("twofold_parked_again", "subscription", "again"),
        **dialect.columns.table_options(counted=True),
    )
    state = Table(
        "twofold_state",
        metadata,
        Column("type", name, primary_key=True),
        Column("id", name, primary_key=True),
        Column("version", number, nullable=False),
        Column("data", json, nullable=False),
        **options,
    )
    # A claim is an INSERT that the primary key refuses or blocks. The index on the time finds old records.
    keys = Table(
        "twofold_keys",
        metadata,
        Column("tenant", name, primary_key=True),
        Column("key", name, primary_key=True),
        Column("command", name, nullable=False),
        Column("payload", name, nullable=False),
        Column("time", time, nullable=False, index=True),
        Column("result", json),
        Column("token", dialect.columns.codec(Kind.TEXT).type, nullable=False),
        **options,
    )
    inbox = Table(
        "twofold_inbox",
        metadata,
        Column("consumer", name, primary_key=True),
        Column("id", name, primary_key=True),
        Column("time", time, nullable=False, index=True),
        **options,
    )
    snapshots = Table(
        "twofold_snapshots",
        metadata,
        Column("stream", name, primary_key=True),
        Column("version", number, nullable=False),
        Column("snapshot_version", number, nullable=False),
        Column("data", json, nullable=False),
        **options,
    )
    schedule = Table(
        "twofold_schedule",
        metadata,
        Column("tenant", name, primary_key=True),
        Column("id", name, primary_key=True),
        Column("entry", uuid, nullable=False),
        Column("due", time, nullable=False),
        Column("name", name, nullable=False),
        Column("schema", Integer, nullable=False),
        Column("data", json, nullable=False),
        Column("metadata", json, nullable=False),
        Column("again", time, index=True),
        Column("attempts", number, nullable=False),
        Column("reason", dialect.columns.codec(Kind.TEXT).type, nullable=False),
        **options,
    )
    # The only key is a number, so that concurrent inserts do not block each other. The first row counts.
    kept = Table(
        "twofold_kept",
        metadata,
        dialect.columns.counter("number"),
        Column("aggregate", name, nullable=False, index=True),
        Column("way", name, nullable=False),
        **dialect.columns.table_options(counted=True),
    )
    return Tables(meta, events, checkpoints, workers, parked, state, keys, inbox, snapshots, schedule, kept)
