"""The event log inside a transaction."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Sequence
from typing import Final

from twofold.errors import ConcurrencyConflict, DuplicateEvent, InlineProjectionsChanged
from twofold.ports import START, AppendCondition, Criterion, Expected, ExpectedVersion, NewEvent, Position, StoredEvent

from .._connection.database import Database
from .._connection.open_transaction import OpenTransaction, UniqueViolation
from .columns import exact
from .strategy import GENERATION, Appender, LogEnd
from .streams import Streams
from .tags import TaggedEvents

_APPENDED: Final = "appended"
"""The key in `OpenTransaction.info` that tells that the transaction has appended events."""


class SqlLogWriter:
    """A `LogWriter`.

    Args:
        transaction: the open transaction.
        database: reads a stream's version after the database has refused an append.
        streams: reads streams.
        appender: how the database appends.
        tagged: selects events by their tags.
        end: finds the end of the log.
    """

    __slots__ = ("_appender", "_database", "_end", "_streams", "_tagged", "_transaction")

    def __init__(
        self,
        transaction: OpenTransaction,
        database: Database,
        streams: Streams,
        appender: Appender,
        tagged: TaggedEvents,
        end: LogEnd,
    ) -> None:
        self._transaction = transaction
        self._database = database
        self._streams = streams
        self._appender = appender
        self._tagged = tagged
        self._end = end

    async def append(
        self, stream: str, events: Sequence[NewEvent], *, expected: ExpectedVersion, inline: int | None = None
    ) -> Sequence[StoredEvent]:
        """Append events to a stream."""
        self._transaction.check_writable(f"append to {stream}")
        if not events:
            await self._check(stream, expected)
            return ()
        self._transaction.info[_APPENDED] = True
        try:
            stored = await self._appender.append(self._transaction, stream, events, expected, inline)
        except UniqueViolation as violation:
            raise await self._refusal(violation, stream, events, expected) from violation.__cause__
        if stored is None or isinstance(stored, int):
            await self._check_inline(stream, inline)
            actual = await self._streams.version(self._transaction.fetch, stream) if stored is None else stored
            raise self._conflict(stream, expected, actual)
        return stored

    async def matching(
        self,
        criteria: Sequence[Criterion],
        *,
        after: Position = START,
        upto: Position | None = None,
        limit: int = 500,
    ) -> Sequence[StoredEvent]:
        """Return the first events that one of some criteria selects."""
        return await self._tagged.matching(self._transaction, criteria, after, upto, limit)

    async def settled(self) -> Position:
        """Return the end of the log as readers see it.

        Nothing is settled for a read-only transaction, which may not see an event that has been committed since it began,
        and for a transaction that has appended, which would take its own events for committed.
        """
        if self._transaction.read_only or _APPENDED in self._transaction.info:
            return START
        return Position((await self._transaction.use(self._end.frontier.head, "read the head of the log")).position)

    async def guard(self, conditions: Sequence[AppendCondition], tags: Collection[str]) -> None:
        """Check conditions, and block the appends that would violate them."""
        self._transaction.check_writable("check a boundary")
        await self._appender.guard(self._transaction, conditions, tags)

    async def lock(self) -> None:
        """Block the appends of other transactions."""
        self._transaction.check_writable("lock the event log")
        await self._appender.lock(self._transaction)

    def read(self, stream: str, *, after: int = 0) -> AsyncGenerator[StoredEvent]:
        """Iterate over the events of a stream, including the events of this transaction."""
        return self._streams.read(self._transaction.fetch, stream, after)

    async def _check_inline(self, stream: str, expected: int | None) -> None:
        actual = (await self._transaction.fetch(GENERATION, (), f"append to {stream}"))[0][0]
        if expected is not None and actual != expected:
            changed = InlineProjectionsChanged(expected=expected, actual=actual)
            self._transaction.doom(changed, recoverable=True)
            raise changed

    async def _check(self, stream: str, expected: ExpectedVersion) -> None:
        if expected is not Expected.ANY:
            actual = await self._streams.version(self._transaction.fetch, stream)
            if actual != exact(expected):
                raise self._conflict(stream, expected, actual)

    def _conflict(self, stream: str, expected: ExpectedVersion, actual: int) -> ConcurrencyConflict:
        conflict = ConcurrencyConflict(stream, expected=expected, actual=actual)
        self._transaction.doom(conflict, recoverable=True)
        return conflict

    async def _refusal(
        self, violation: UniqueViolation, stream: str, events: Sequence[NewEvent], expected: ExpectedVersion
    ) -> Exception:
        if violation.columns in ("twofold_events.id", "twofold_events_id"):
            ids = ", ".join(str(event.id) for event in events[:3]) + (", ..." if len(events) > 3 else "")
            return DuplicateEvent(
                f"cannot append to {stream}: one of the event ids {ids} is already in the log. Nothing was written. "
                "Create a new id for each event. If this append is a retry, it has succeeded before."
            )
        actual = await self._streams.version(self._database.fetch, stream)
        return ConcurrencyConflict(stream, expected=expected, actual=actual)
