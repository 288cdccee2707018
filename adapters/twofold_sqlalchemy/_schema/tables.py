"""Twofold's own tables."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

from sqlalchemy import Column, Index, Integer, MetaData, Table, UniqueConstraint
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeEngine

from .._dialects.codec import Kind
from .._dialects.dialect import Dialect

SCHEMA: Final = 12
"""The version of the tables below. Increment it with each change of the tables."""


@dataclass(frozen=True)
class Tables:
    """The tables that every store has.

    Attributes:
        meta: one row, with the log's identity, the version of the tables, and the generation of the inline projections.
        events: the event log.
        checkpoints: the checkpoint and the lease of each partition of each subscription.
        workers: the workers that compete for partitions.
        pauses: the subscriptions that an operator has paused.
        parked: the parked events of subscriptions.
        state: the aggregates without tables of their own, as JSON.
        keys: the idempotency keys of commands, with their results.
        inbox: the messages that consumers have received.
        snapshots: the snapshots of event-sourced aggregates.
        schedule: the scheduled commands.
        unique: the unique values that owners have claimed.
        steps: the outcomes of durable steps.
        kept: the kind of storage of each aggregate type.
        inline: the inline projections of the event log.
        tags: the tags of events.
        tagged: the fields of events whose tags are stored.
        processes: the processes, the last incarnation of each key.
    """

    meta: Table
    events: Table
    checkpoints: Table
    workers: Table
    pauses: Table
    parked: Table
    state: Table
    keys: Table
    inbox: Table
    snapshots: Table
    schedule: Table
    unique: Table
    steps: Table
    kept: Table
    inline: Table
    tags: Table
    tagged: Table
    processes: Table

    @property
    def all(self) -> tuple[Table, ...]:
        """All tables."""
        return tuple(getattr(self, field.name) for field in fields(self))


def own_tables(dialect: Dialect, metadata: MetaData) -> Tables:
    """Create the tables in a `MetaData`."""
    name, number = dialect.columns.codec(Kind.NAME).type, dialect.columns.codec(Kind.INTEGER).type
    uuid, time = dialect.columns.codec(Kind.UUID).type, dialect.columns.codec(Kind.DATETIME).type
    json, seconds = dialect.columns.codec(Kind.JSON).type, dialect.columns.codec(Kind.FLOAT).type
    text = dialect.columns.codec(Kind.TEXT).type

    def table(title: str, *items: SchemaItem, counted: bool = False) -> Table:
        return Table(f"twofold_{title}", metadata, *items, **dialect.columns.table_options(counted=counted))

    def event() -> list[Column[object]]:
        return [
            *_needed(stream=name, version=number, name=name, schema_version=Integer()),
            *_needed(time=time, id=uuid, metadata=json, data=json),
        ]

    return Tables(
        meta=table(
            "meta",
            Column("number", Integer, primary_key=True, autoincrement=False),  # always 1, for there is one row
            *_needed(log=name, schema_version=Integer()),
            Column("inline_generation", number, nullable=False, server_default="0"),
            *dialect.columns.meta_columns(),
        ),
        # The poll reads in the order of the primary key. The name, by which it filters, precedes the long columns.
        events=table(
            "events",
            dialect.columns.position("position"),
            *event(),
            UniqueConstraint("stream", "version", name="twofold_events_stream"),
            UniqueConstraint("id", name="twofold_events_id"),
            *dialect.columns.correlation_index("twofold_events_correlation"),
            counted=True,
        ),
        checkpoints=table(
            "checkpoints",
            *_key(subscription=name, partition=Integer()),
            *_needed(position=number, log=name),
            Column("event", uuid),  # the id of the event at the position
            Column("contents", text, nullable=False),  # what the rows of a projection contain
            *_needed(parked=number, generation=number),
            Column("owner", name),
            *_needed(expires=seconds),  # seconds since 1970, by the database's clock
        ),
        workers=table("workers", *_key(subscription=name, owner=name), *_needed(expires=seconds)),
        pauses=table("pauses", *_key(subscription=name), *_needed(since=time, reason=text)),
        parked=table(
            "parked",
            dialect.columns.counter("number"),
            *_needed(subscription=name, position=number, key=name, reason=text, attempts=number, parked_at=time),
            Column("again", time),  # the time of the next retry, by the database's clock
            Column("edited_at", time),
            Column("edited_by", text),
            Column("edit_reason", text),
            *event(),
            UniqueConstraint("subscription", "position", name="twofold_parked_once"),
            Index("twofold_parked_key", "subscription", "key"),
            Index("twofold_parked_again", "subscription", "again"),
            counted=True,
        ),
        state=table("state", *_key(type=name, id=name), *_needed(version=number, data=json)),
        # A claim is an INSERT that the primary key refuses or blocks. The index on the time finds old records.
        keys=table(
            "keys",
            *_key(tenant=name, key=name),
            *_needed(command=name, payload=name),
            Column("time", time, nullable=False, index=True),
            Column("result", json),
            *_needed(token=text),
        ),
        inbox=table("inbox", *_key(consumer=name, id=name), Column("time", time, nullable=False, index=True)),
        snapshots=table("snapshots", *_key(stream=name), *_needed(version=number, snapshot_version=number, data=json)),
        schedule=table(
            "schedule",
            *_key(tenant=name, id=name),
            *_needed(entry=uuid, due=time, name=name, schema=Integer(), data=json, metadata=json),
            Column("again", time, index=True),
            *_needed(attempts=number, reason=text),
        ),
        # A claim is an INSERT that the primary key refuses or blocks.
        unique=table("unique", *_key(key=name), *_needed(tenant=name, scope=name, owner=name, time=time)),
        # The index holds two names at most: MariaDB limits its size.
        steps=table(
            "steps",
            *_key(owner=name, input=uuid, name=name),
            *_needed(state=name),
            Column("outcome", json),
            *_needed(time=time),
        ),
        # The only key is a number, so that concurrent inserts do not block each other. The first row counts.
        kept=table(
            "kept",
            dialect.columns.counter("number"),
            Column("aggregate", name, nullable=False, index=True),
            *_needed(way=name),
            counted=True,
        ),
        inline=table("inline", *_key(projection=name), *_needed(views=text)),
        # The name of the event spares the check of a boundary a look at the event.
        tags=table("tags", *_key(tag=name, position=number), *_needed(name=name)),
        tagged=table("tagged", *_key(event=name, field=name), Column("filled", number)),  # null: the tags are complete
        processes=table(
            "processes",
            *_key(process=name, key=name),
            *_needed(incarnation=uuid, state=name, schema=Integer(), data=json, progress=json, reason=text),
            *_needed(position=number, time=time),
            Index("twofold_processes_state", "process", "state"),
            Index("twofold_processes_time", "state", "time"),
        ),
    )


def _key(**types: TypeEngine[Any]) -> list[Column[Any]]:
    """Return the columns of a primary key, by their names."""
    return [Column(name, each, primary_key=True, autoincrement=False) for name, each in types.items()]


def _needed(**types: TypeEngine[Any]) -> list[Column[Any]]:
    """Return columns that are not null, by their names."""
    return [Column(name, each, nullable=False) for name, each in types.items()]
