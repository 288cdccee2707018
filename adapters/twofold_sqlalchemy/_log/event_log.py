"""The event log: reading it, and appending to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Executable, bindparam, func, select
from sqlalchemy.exc import SQLAlchemyError

from twofold.errors import ConcurrencyConflict, DuplicateEvent, SchemaMissing
from twofold.ports import START, Expected, ExpectedVersion, LogPage, NewEvent, Position, StoredEvent

from .._connection.database import Database
from .._connection.errors import translated
from .._connection.open_transaction import Link, Refused
from .._connection.statements import Statement
from .._schema.tables import Tables
from .columns import EventColumns, exact
from .registry import strategy_of

_PAGE = 500
"""Events that one select of a stream returns at most."""

_SPAN = 50_000
"""Positions that one filtered page looks through at most, so that no select runs for long."""

Fetch = Callable[[Statement, Mapping[str, Any], str], Awaitable[Sequence[Any]]]
"""`Database.fetch`, or `Link.fetch` of a transaction."""


class SqlEventLog:
    """The `EventLog` of a database.

    Args:
        database: the database.
        tables: Twofold's tables in it.
    """

    def __init__(self, database: Database, tables: Tables) -> None:
        self._database = database
        self._tables = tables
        self._events = events = tables.events
        self._columns = EventColumns(database.dialect)
        self._identity: str | None = None
        self._strategy = strategy_of(database, tables)
        self._frontier = self._strategy.frontier()
        self._count = database.prepare(
            select(func.count()).where(events.c.position > bindparam("after"), events.c.position <= bindparam("upto"))
        )
        self._stream = database.prepare(
            select(*self._columns.selected(events))
            .where(events.c.stream == bindparam("of"), events.c.version > bindparam("after"))
            .order_by(events.c.version)
            .limit(_PAGE)
        )
        self._version = database.prepare(
            select(func.coalesce(func.max(events.c.version), 0)).where(events.c.stream == bindparam("of"))
        )

    async def identity(self) -> str:
        """Return the identity of this log."""
        if self._identity is None:
            prepared = self._database.prepared("identity", lambda: select(self._tables.meta.c.log))
            found = await self._database.fetch(prepared, {}, "read the identity of the log")
            if not found:
                raise SchemaMissing(
                    "cannot read the identity of the log: twofold_meta is empty. Call create_schema(), which writes it."
                )
            self._identity = str(found[0][0])
        return self._identity

    def forget(self) -> None:
        """Find the identity and the end of the log out again when they are next asked for."""
        self._identity = None
        self._frontier = self._strategy.frontier()

    async def head(self) -> Position:
        """Return the last position that a reader can reach now."""
        return await self._frontier.head()

    async def read_all(
        self, *, after: Position = START, limit: int = 500, names: Collection[str] | None = None
    ) -> LogPage:
        """Return the next events after a position; see `EventLog.read_all`."""
        # The head comes first: an event that commits between the two selects lies behind it.
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
        """Iterate over a stream's events, page by page; no transaction is open between pages."""
        async for event in self.read_by(self._database.fetch, stream, after):
            yield event

    async def read_by(self, fetch: Fetch, stream: str, after: int) -> AsyncIterator[StoredEvent]:
        """Iterate over a stream's events, as one transaction sees them."""
        while True:
            rows = await fetch(self._stream, {"of": stream, "after": after}, f"read the stream {stream}")
            for row in rows:
                event = self._columns.stored(row)
                yield event
                after = event.version
            if len(rows) < _PAGE:
                return

    async def announce(self) -> None:
        """Notify other processes that events were appended, where the database can."""
        await self._strategy.notifier.announce()

    async def watch(self, heard: Callable[[], None]) -> None:
        """Call `heard` at each notification, where the database can."""
        dialect = self._database.dialect
        try:
            await self._strategy.notifier.watch(heard)
        except Exception as error:
            if dialect.errors.is_driver_error(error) or isinstance(error, SQLAlchemyError):
                raise translated(error, "listen for events", dialect) from error
            raise

    async def holding_back(self) -> Sequence[str]:
        """Say which transactions readers wait for at the moment."""
        return await self._frontier.holding_back()

    async def count(self, *, after: Position, upto: Position) -> int:
        """Return how many events lie behind `after` and not behind `upto`."""
        found = await self._database.fetch(self._count, {"after": after, "upto": upto}, "count the events of the log")
        return int(found[0][0])

    async def append(
        self, link: Link, stream: str, events: Sequence[NewEvent], expected: ExpectedVersion
    ) -> Sequence[StoredEvent]:
        """Append in a transaction; see `WriteTransaction.append`."""
        attempt = f"append to {stream}"
        link.check_writable(attempt)
        if not events:
            await self._check(link, stream, expected)
            return ()
        try:
            stored = await self._strategy.appender.append(link, stream, events, expected)
        except Refused as refused:
            raise await self._refusal(refused, stream, events, expected) from refused.__cause__
        if stored is None or isinstance(stored, int):
            actual = await self._now(link, stream) if stored is None else stored
            raise self._conflict(link, stream, expected, actual)
        return stored

    async def _check(self, link: Link, stream: str, expected: ExpectedVersion) -> None:
        if expected is Expected.ANY:
            return
        actual = await self._now(link, stream)
        if actual == 0 if expected is Expected.STREAM_EXISTS else actual != exact(expected):
            raise self._conflict(link, stream, expected, actual)

    def _conflict(self, link: Link, stream: str, expected: ExpectedVersion, actual: int) -> ConcurrencyConflict:
        conflict = ConcurrencyConflict(stream, expected=expected, actual=actual)
        link.doom(conflict, mendable=True)
        return conflict

    async def _now(self, link: Link, stream: str) -> int:
        return int((await link.fetch(self._version, {"of": stream}, f"read the version of {stream}"))[0][0])

    async def _refusal(
        self, refused: Refused, stream: str, events: Sequence[NewEvent], expected: ExpectedVersion
    ) -> Exception:
        if refused.columns in ("twofold_events.id", "twofold_events_id"):
            ids = ", ".join(str(event.id) for event in events[:3]) + (", ..." if len(events) > 3 else "")
            return DuplicateEvent(
                f"cannot append to {stream}: an event id is in the log already, among {ids}. Nothing was written. "
                "Make a new id for each event; if this is a repeat, it has been done."
            )
        found = await self._database.fetch(self._version, {"of": stream}, f"read the version of {stream}")
        return ConcurrencyConflict(stream, expected=expected, actual=int(found[0][0]))

    def _page(self, names: Sequence[str] | None) -> Executable:
        events = self._events
        page = select(*self._columns.selected(events)).where(
            events.c.position > bindparam("after"), events.c.position <= bindparam("upto")
        )
        if names is not None:
            page = page.where(events.c.name.in_([bindparam(f"name{index}") for index in range(len(names))]))
        return page.order_by(events.c.position).limit(bindparam("size"))
