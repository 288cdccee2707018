"""The event log inside a transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from twofold.errors import ConcurrencyConflict, DuplicateEvent
from twofold.ports import Expected, ExpectedVersion, NewEvent, StoredEvent

from .._connection.database import Database
from .._connection.open_transaction import Link, Refused
from .columns import exact
from .strategy import Appender
from .streams import Streams


class SqlLogWriter:
    """A `LogWriter`.

    Args:
        link: the transaction's connection.
        database: reads the version of a stream after the database refused to append to it.
        streams: reads streams.
        appender: appends as the database needs it.
    """

    __slots__ = ("_appender", "_database", "_link", "_streams")

    def __init__(self, link: Link, database: Database, streams: Streams, appender: Appender) -> None:
        self._link = link
        self._database = database
        self._streams = streams
        self._appender = appender

    async def append(
        self, stream: str, events: Sequence[NewEvent], *, expected: ExpectedVersion
    ) -> Sequence[StoredEvent]:
        """Append events to a stream."""
        self._link.check_writable(f"append to {stream}")
        if not events:
            await self._check(stream, expected)
            return ()
        try:
            stored = await self._appender.append(self._link, stream, events, expected)
        except Refused as refused:
            raise await self._refusal(refused, stream, events, expected) from refused.__cause__
        if stored is None or isinstance(stored, int):
            actual = await self._streams.version(self._link.fetch, stream) if stored is None else stored
            raise self._conflict(stream, expected, actual)
        return stored

    def read(self, stream: str, *, after: int = 0) -> AsyncIterator[StoredEvent]:
        """Iterate over a stream's events, including those of this transaction."""
        return self._streams.read(self._link.fetch, stream, after)

    async def _check(self, stream: str, expected: ExpectedVersion) -> None:
        if expected is not Expected.ANY:
            actual = await self._streams.version(self._link.fetch, stream)
            if actual != exact(expected):
                raise self._conflict(stream, expected, actual)

    def _conflict(self, stream: str, expected: ExpectedVersion, actual: int) -> ConcurrencyConflict:
        conflict = ConcurrencyConflict(stream, expected=expected, actual=actual)
        self._link.doom(conflict, mendable=True)
        return conflict

    async def _refusal(
        self, refused: Refused, stream: str, events: Sequence[NewEvent], expected: ExpectedVersion
    ) -> Exception:
        if refused.columns in ("twofold_events.id", "twofold_events_id"):
            ids = ", ".join(str(event.id) for event in events[:3]) + (", ..." if len(events) > 3 else "")
            return DuplicateEvent(
                f"cannot append to {stream}: an event id is in the log already, among {ids}. Nothing was written. "
                "Create a new id for each event. If this append is a retry, it has succeeded before."
            )
        actual = await self._streams.version(self._database.fetch, stream)
        return ConcurrencyConflict(stream, expected=expected, actual=actual)
