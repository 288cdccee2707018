"""The event log: its committed events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import Any

from sqlalchemy import Executable, bindparam, func, select
from sqlalchemy.exc import SQLAlchemyError

from twofold.errors import SchemaMissing
from twofold.ports import START, LogPage, Position, StoredEvent

from .._connection.database import Database
from .._connection.errors import translated
from .._schema.tables import Tables
from .columns import EventColumns
from .strategy import LogStrategy
from .streams import Streams

_SPAN = 50_000
"""The maximal number of positions that a filtered page searches, so that no SELECT runs for long."""


class SqlEventLog:
    """The `EventLog` of a database.

    Args:
        database: the database.
        tables: Twofold's tables in it.
        strategy: how this database appends to the log, finds its end, and notifies other processes.
        streams: reads streams.
    """

    def __init__(self, database: Database, tables: Tables, strategy: LogStrategy, streams: Streams) -> None:
        self._database = database
        self._streams = streams
        self._tables = tables
        self._events = events = tables.events
        self._columns = EventColumns(database.dialect)
        self._identity: str | None = None
        self._strategy = strategy
        self._frontier = self._strategy.frontier()
        self._count = database.prepare(
            select(func.count()).where(events.c.position > bindparam("after"), events.c.position <= bindparam("upto"))
        )

    async def identity(self) -> str:
        """Return the identity of this log."""
        if self._identity is None:
            prepared = self._database.prepared("identity", lambda: select(self._tables.meta.c.log))
            found = await self._database.fetch(prepared, {}, "read the identity of the log")
            if not found:
                raise SchemaMissing(
                    "cannot read the identity of the event log: twofold_meta is empty. Call create_schema() to fill it."
                )
            self._identity = str(found[0][0])
        return self._identity

    def reset(self) -> None:
        """Discard the cached identity and end of the log. The next calls read them again."""
        self._identity = None
        self._frontier = self._strategy.frontier()

    async def head(self) -> Position:
        """Return the last position that a reader can read now."""
        return await self._frontier.head()

    async def read_all(
        self, *, after: Position = START, limit: int = 500, names: Collection[str] | None = None
    ) -> LogPage:
        """Return the next events after a position; see `EventLog.read_all`."""
        # The head is read first, so that an event which commits between the two reads has a later position.
        head = await self.head()
        if head <= after:
            return LogPage((), after)
        upto = head if names is None else Position(min(head, after + _SPAN))
        wanted = None if names is None else sorted(set(names))
        if wanted == []:
            return LogPage((), upto)
        prepared = self._database.prepared(("page", len(wanted or ())), lambda: self._page(wanted))
        values: dict[str, Any] = {"after": after, "upto": upto, "size": limit}
        values.update((f"name{index}", name) for index, name in enumerate(wanted or ()))
        rows = await self._database.fetch(prepared, values, "read the log")
        found = tuple([self._columns.stored(row) for row in rows])
        return LogPage(found, found[-1].position if len(found) == limit else upto)

    async def read(self, stream: str, *, after: int = 0) -> AsyncIterator[StoredEvent]:
        """Iterate over a stream's events. No transaction is open between pages."""
        async for event in self._streams.read(self._database.fetch, stream, after):
            yield event

    async def announce(self) -> None:
        """Notify other processes that events were appended, if the database supports notifications."""
        await self._strategy.notifier.announce()

    async def watch(self, heard: Callable[[], None]) -> None:
        """Call `heard` at each notification, if the database supports notifications."""
        dialect = self._database.dialect
        try:
            await self._strategy.notifier.watch(heard)
        except Exception as error:
            if dialect.errors.is_driver_error(error) or isinstance(error, SQLAlchemyError):
                raise translated(error, "listen for events", dialect) from error
            raise

    async def holding_back(self) -> Sequence[str]:
        """Describe the transactions that readers wait for at the moment."""
        return await self._frontier.holding_back()

    async def count(self, *, after: Position, upto: Position) -> int:
        """Return the number of events after position `after`, up to and including position `upto`."""
        found = await self._database.fetch(self._count, {"after": after, "upto": upto}, "count the events of the log")
        return int(found[0][0])

    def _page(self, names: Sequence[str] | None) -> Executable:
        events = self._events
        page = select(*self._columns.selected(events)).where(
            events.c.position > bindparam("after"), events.c.position <= bindparam("upto")
        )
        if names is not None:
            page = page.where(events.c.name.in_([bindparam(f"name{index}") for index in range(len(names))]))
        return page.order_by(events.c.position).limit(bindparam("size"))
