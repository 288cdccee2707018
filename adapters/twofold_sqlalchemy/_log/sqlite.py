"""The event log on SQLite, which allows one writer at a time: no other transaction appends until the commit."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from typing import Any, Final

from sqlalchemy import Executable, bindparam, func, insert, select

from twofold.ports import AppendCondition, ExpectedVersion, NewEvent, Position, StoredEvent

from .._connection.database import Database
from .._connection.open_transaction import OpenTransaction
from .._schema.tables import Tables
from .columns import EventColumns, exact
from .strategy import CommitOrder, LogStrategy, NoNotifier
from .tags import TaggedEvents

_INSERT: Final = 500
"""The maximal number of events in one INSERT. SQLite allows 32,766 parameters."""


def strategy(database: Database, tables: Tables, tagged: TaggedEvents) -> LogStrategy:
    """Return the strategy for a database."""
    events = tables.events.c
    frontier = partial(
        CommitOrder,
        database,
        lambda: select(events.position, events.id).order_by(events.position.desc()).limit(1),
    )
    return LogStrategy(ConditionalInsert(database, tables, tagged), frontier, NoNotifier())


class ConditionalInsert:
    """An `Appender`: the first event's INSERT checks the expected version, and the other events follow in bulk.

    Args:
        database: the database.
        tables: Twofold's tables in it.
        tagged: stores the tags of events.
    """

    def __init__(self, database: Database, tables: Tables, tagged: TaggedEvents) -> None:
        self._tagged = tagged
        self._compiler = database.compiler
        self._events = tables.events
        self._meta = tables.meta
        self._columns = EventColumns(database.dialect.columns, database.dialect.sql)

    async def append(
        self,
        transaction: OpenTransaction,
        stream: str,
        events: Sequence[NewEvent],
        expected: ExpectedVersion,
        inline: int | None,
    ) -> Sequence[StoredEvent] | None:
        """Append; see `Appender.append`."""
        first = await self._first(transaction, stream, events[0], expected, inline)
        if first is None:
            return None
        stored = [first, *await self._rest(transaction, stream, events[1:], first.version)]
        await self._tagged.add(transaction, stored, events)
        return stored

    async def guard(
        self, transaction: OpenTransaction, conditions: Sequence[AppendCondition], tags: Collection[str]
    ) -> None:
        """Look for later events. The transaction holds the only write lock."""
        await self._tagged.check_order(transaction, conditions)

    async def lock(self, transaction: OpenTransaction) -> None:
        """Do nothing: the transaction holds the only write lock."""

    async def _first(
        self,
        transaction: OpenTransaction,
        stream: str,
        event: NewEvent,
        expected: ExpectedVersion,
        inline: int | None,
    ) -> StoredEvent | None:
        version = exact(expected)
        shape = version is not None, inline is not None
        prepared = self._compiler.prepared(("append", *shape), lambda: self._conditional(*shape))
        names = EventColumns.WRITTEN
        values = dict(zip(names, self._columns.values(stream, 0, event), strict=True))
        values = {f"new_{name}": value for name, value in values.items()} | {
            "of": stream,
            "expected": version,
            "inline": inline,
        }
        rows = await transaction.fetch(prepared, values, f"append to {stream}")
        if not rows:
            return None
        position, version = rows[0]
        return StoredEvent(*event[:6], stream, version, Position(position))

    async def _rest(
        self, transaction: OpenTransaction, stream: str, events: Sequence[NewEvent], version: int
    ) -> Sequence[StoredEvent]:
        found: list[StoredEvent] = []
        for start in range(0, len(events), _INSERT):
            chunk = events[start : start + _INSERT]
            prepared = self._compiler.prepared(("insert", len(chunk)), partial(self._many, len(chunk)))
            values: list[Any] = []
            for number, event in enumerate(chunk, version + 1):
                values.extend(self._columns.values(stream, number, event))
            rows = await transaction.fetch(prepared, tuple(values), f"append to {stream}")
            positions = {version: Position(position) for position, version in rows}
            for number, event in enumerate(chunk, version + 1):
                found.append(StoredEvent(*event[:6], stream, number, positions[number]))
            version += len(chunk)
        return found

    def _conditional(self, exactly: bool, fenced: bool) -> Executable:
        events = self._events
        now = select(func.coalesce(func.max(events.c.version), 0).label("version")).where(
            events.c.stream == bindparam("of")
        )
        current = now.subquery("current")
        new = [
            current.c.version + 1
            if name == "version"
            else bindparam(f"new_{name}", type_=events.c[name].type).label(name)
            for name in EventColumns.WRITTEN
        ]
        rows = select(*new)
        if exactly:
            rows = rows.where(current.c.version == bindparam("expected"))
        if fenced:
            rows = rows.where(select(self._meta.c.inline_generation).scalar_subquery() == bindparam("inline"))
        statement = insert(events).from_select(list(EventColumns.WRITTEN), rows)
        return statement.returning(events.c.position, events.c.version)

    def _many(self, size: int) -> Executable:
        events = self._events
        rows: list[dict[str, Any]] = [
            {name: bindparam(f"{name}_{row}") for name in EventColumns.WRITTEN} for row in range(size)
        ]
        return insert(events).values(rows).returning(events.c.position, events.c.version)
