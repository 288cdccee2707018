"""The event log: its committed events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Executable, Table, Text, bindparam, func, or_, select, true
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from twofold.errors import EventsLost, SchemaMissing
from twofold.ports import START, BlockingTransaction, LogPage, Position, RecordedInline, StoredEvent

from .._connection.database import Database
from .._connection.errors import translated
from .._connection.statements import Statement
from .._schema.tables import Tables
from .columns import EventColumns, EventIds
from .strategy import Head, LogEnd, LogStrategy
from .streams import Streams

_SPAN = 50_000
"""The maximal number of positions that a page searches."""

_WIDER = 4
"""The factor by which each SELECT of a page searches more positions than the SELECT before.

The bounds of a SELECT limit the rows that it reads, also if the database has no statistics and sorts all rows within them.
"""


class SqlEventLog:
    """The `EventLog` of a database.

    Args:
        database: the database.
        tables: Twofold's tables in it.
        strategy: how this database notifies other processes.
        end: finds the end of the log.
        streams: reads streams.
    """

    def __init__(
        self, database: Database, tables: Tables, strategy: LogStrategy, end: LogEnd, streams: Streams
    ) -> None:
        self._database = database
        self._compiler = compiler = database.compiler
        self._streams = streams
        self._tables = tables
        self._events = events = tables.events
        self._columns = EventColumns(database.dialect.columns, database.dialect.sql)
        self._ids = EventIds(database.dialect.columns)
        self._identity: str | None = None
        self._strategy = strategy
        self._end = end
        self._id = compiler.prepared("id", lambda: select(events.c.id).where(events.c.position == bindparam("at")))
        self._next = compiler.prepared(
            "next", lambda: select(func.min(events.c.position)).where(events.c.position > bindparam("after"))
        )
        self._count = compiler.prepared("count", lambda: _counted(events))

    async def identity(self) -> str:
        """Return the identity of this log."""
        if self._identity is None:
            prepared = self._compiler.prepared("identity", lambda: select(self._tables.meta.c.log))
            found = await self._database.fetch(prepared, {}, "read the identity of the log")
            if not found:
                raise SchemaMissing(
                    "cannot read the identity of the event log: twofold_meta is empty. Run `twofold schema create` or "
                    "`await app.create_schema()` to fill it."
                )
            self._identity = str(found[0][0])
        return self._identity

    def reset(self) -> None:
        """Discard the cached identity and end of the log. The next calls read them again."""
        self._identity = None
        self._end.reset()

    async def head(self) -> Position:
        """Return the last position that a reader can read now."""
        return Position((await self._database.use_driver(self._end.frontier.head, "read the head of the log")).position)

    async def read_all(
        self,
        *,
        after: Position = START,
        event: UUID | None = None,
        limit: int = 500,
        names: Collection[str] | None = None,
    ) -> LogPage:
        """Return the next events after a position; see `EventLog.read_all`.

        A page begins with the event that it follows, so that the same statement verifies that event.
        """

        async def read(connection: AsyncConnection) -> LogPage:
            # The head is read first, so that an event which commits between the two reads has a later position.
            head = await self._end.frontier.head(connection)
            if head.position > after:
                wanted = None if names is None else sorted(set(names))
                return await self._read(connection, head, after, event, limit, wanted)
            at_head = event is None or (head.position == after and self._ids.decode(head.event) == event)
            # A frontier that has just begun may be before a position that another process has passed.
            self._verify(event if at_head else await self._id_at(connection, after), after, event, head)
            return LogPage((), after, event)

        return await self._database.use_driver(read, "read the log")

    async def ids(self, positions: Collection[Position]) -> Mapping[Position, UUID]:
        """Return the ids of the events at these positions."""
        wanted = sorted(set(positions))
        if not wanted:
            return {}
        events = self._events.c
        names = [f"position{index}" for index in range(len(wanted))]
        prepared = self._compiler.prepared(
            ("ids", len(wanted)),
            lambda: select(events.position, events.id).where(events.position.in_(map(bindparam, names))),
        )
        rows = await self._database.fetch(prepared, dict(zip(names, wanted, strict=True)), "read ids of events")
        found = ((Position(position), self._ids.decode(stored)) for position, stored in rows)
        return {position: event for position, event in found if event is not None}

    async def positions(self, ids: Collection[UUID]) -> Mapping[UUID, Position]:
        """Return the positions of the events with these ids, by the unique index of the ids."""
        wanted = sorted(set(ids))
        if not wanted:
            return {}
        events = self._events.c
        names = [f"id{index}" for index in range(len(wanted))]
        prepared = self._compiler.prepared(
            ("positions", len(wanted)),
            lambda: select(events.position, events.id).where(events.id.in_(map(bindparam, names))),
        )
        values = dict(zip(names, map(self._ids.encode, wanted), strict=True))
        rows = await self._database.fetch(prepared, values, "read positions of events")
        found = ((self._ids.decode(stored), Position(position)) for position, stored in rows)
        return {event: position for event, position in found if event is not None}

    async def _read(
        self,
        connection: AsyncConnection,
        head: Head,
        after: Position,
        event: UUID | None,
        limit: int,
        names: Sequence[str] | None,
    ) -> LogPage:
        """Search wider and wider ranges of positions until the page is full, or ends at the head or after `_SPAN`."""
        found: list[StoredEvent] = []
        stop, size = after + _SPAN, min(limit if names is None else 2 * limit, _SPAN)
        while True:
            page = await self._search(connection, head, after, event, limit - len(found), size, names)
            found += page.events
            after, event = page.last, page.event
            if len(found) == limit or after >= min(head.position, stop):
                return LogPage(tuple(found), after, event)
            size = min(_WIDER * size, stop - after)

    async def _search(
        self,
        connection: AsyncConnection,
        head: Head,
        after: Position,
        event: UUID | None,
        limit: int,
        size: int,
        names: Sequence[str] | None,
    ) -> LogPage:
        """Return the events at the next `size` positions that hold one, up to the head."""
        upto = min(head.position, after + size)
        wanted = names or ()
        prepared = self._compiler.prepared(("page", names is None, len(wanted)), lambda: self._page(names))
        values: dict[str, Any] = {"after": after, "upto": upto, "size": limit + 2}
        values.update((f"name{index}", name) for index, name in enumerate(wanted))
        rows = await self._fetch(connection, prepared, values)
        found = [self._columns.stored(row) for row in rows]
        first = found.pop(0) if found and found[0].position == after else None
        self._verify(first and first.id, after, event, head)
        matching = tuple([each for each in found if names is None or each.name in wanted][:limit])
        if len(matching) == limit or found:
            last = matching[-1] if len(matching) == limit else found[-1]
            return LogPage(matching, last.position, last.id)
        # No event has any of these positions. The search continues just before the next event.
        following = await self._fetch(connection, self._next, {"after": after})
        return await self._search(connection, head, Position(following[0][0] - 1), None, limit, size, names)

    async def _id_at(self, connection: AsyncConnection, position: Position) -> UUID | None:
        rows = await self._fetch(connection, self._id, {"at": position})
        return self._ids.decode(rows[0][0]) if rows else None

    async def _fetch(
        self, connection: AsyncConnection, prepared: Statement, values: Mapping[str, Any]
    ) -> Sequence[Any]:
        return await self._database.dialect.connections.fetch(connection, prepared.text, prepared.bind(values))

    def _verify(self, found: UUID | None, after: Position, event: UUID | None, head: Head) -> None:
        if event is not None and found != event:
            self._database.change_run()
            raise EventsLost(
                "a reader", position=after, event=event, head=head.position, advice="Read its checkpoint again."
            )

    async def inline(self) -> RecordedInline:
        """Return the inline projections of this log. One statement reads one state of both tables."""
        meta, inline = self._tables.meta, self._tables.inline
        records = select(meta.c.inline_generation, inline.c.projection, inline.c.views)
        prepared = self._compiler.prepared("inline", lambda: records.select_from(meta.outerjoin(inline, true())))
        rows = await self._database.fetch(prepared, {}, "read the inline projections")
        return RecordedInline(rows[0][0] if rows else 0, {name: views for _, name, views in rows if name is not None})

    async def read(self, stream: str, *, after: int = 0) -> AsyncIterator[StoredEvent]:
        """Iterate over a stream's events. No transaction is open between pages."""
        async for event in self._streams.read(self._database.fetch, stream, after):
            yield event

    async def read_correlated(
        self, correlation_id: UUID, *, after: Position, before: Position, limit: int, newest_first: bool = False
    ) -> Sequence[StoredEvent]:
        """Return events with a correlation id, by an index."""
        prepared = self._compiler.prepared(("correlated", newest_first), lambda: self._correlated(newest_first))
        values = {"of": str(correlation_id), "after": after, "before": before, "size": limit}
        rows = await self._database.fetch(prepared, values, "read the events of a correlation id")
        return [self._columns.stored(row) for row in rows]

    async def announce(self, origin: str) -> None:
        """Notify other processes that events were appended, if the database supports notifications."""
        await self._strategy.notifier.announce(origin)

    async def watch(self, notify: Callable[[str], None]) -> None:
        """Call `notify` at each notification, if the database supports notifications."""
        dialect = self._database.dialect
        try:
            await self._strategy.notifier.watch(notify)
        except Exception as error:
            if dialect.errors.is_driver_error(error) or isinstance(error, SQLAlchemyError):
                raise translated(error, "listen for events", dialect) from error
            raise

    async def blocking_transactions(self) -> Sequence[BlockingTransaction]:
        """Describe the transactions that readers wait for at the moment."""
        return await self._end.frontier.blocking_transactions()

    async def count(self, *, after: Position, upto: Position) -> int:
        """Return the number of events after position `after`, up to and including position `upto`."""
        found = await self._database.fetch(self._count, {"after": after, "upto": upto}, "count the events of the log")
        return int(found[0][0])

    def _correlated(self, newest_first: bool) -> Executable:
        events = self._events
        return (
            select(*self._columns.selected(events))
            .where(
                self._database.dialect.columns.correlation(events.c.metadata) == bindparam("of", type_=Text()),
                events.c.position > bindparam("after"),
                events.c.position < bindparam("before"),
            )
            .order_by(events.c.position.desc() if newest_first else events.c.position)
            .limit(bindparam("size"))
        )

    def _page(self, names: Sequence[str] | None) -> Executable:
        events = self._events
        after: Any = bindparam("after")
        upto: Any = bindparam("upto")
        page = select(*self._columns.selected(events)).where(events.c.position >= after, events.c.position <= upto)
        if names is not None:
            last = select(func.max(events.c.position)).where(events.c.position <= upto).scalar_subquery()
            wanted = events.c.name.in_([bindparam(f"name{index}") for index in range(len(names))])
            page = page.where(or_(wanted, events.c.position == after, events.c.position == last))
        return page.order_by(events.c.position).limit(bindparam("size"))


def _counted(events: Table) -> Executable:
    position = events.c.position
    return select(func.count()).where(position > bindparam("after"), position <= bindparam("upto"))
