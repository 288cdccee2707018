"""The event log: its reader, and its writer in a transaction."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from itertools import islice
from uuid import uuid4

from twofold.errors import ConcurrencyConflict, DuplicateEvent
from twofold.ports import START, Expected, ExpectedVersion, LogPage, NewEvent, Position, StoredEvent

from ._step import Step
from ._tables import Tables


class InMemoryEventLog:
    """The committed events, in order. What is appended becomes readable when its transaction commits."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._identity = uuid4().hex

    async def identity(self) -> str:
        """Return the identity of this log."""
        return self._identity

    async def head(self) -> Position:
        """Return the position of the last committed event."""
        return self._tables.head

    async def read_all(
        self, *, after: Position = START, limit: int = 500, names: Collection[str] | None = None
    ) -> LogPage:
        """Return the next events after a position."""
        tables = self._tables
        start = bisect_right(tables.positions, after)
        if names is None:
            events = tuple(tables.events[start : start + limit])
            return LogPage(events, events[-1].position if events else max(after, tables.head))
        matching = (event for event in islice(tables.events, start, None) if event.name in names)
        events = tuple(islice(matching, limit))
        full = len(events) == limit
        return LogPage(events, events[-1].position if full else max(after, tables.head))

    async def read(self, stream: str, *, after: int = 0) -> AsyncIterator[StoredEvent]:
        """Iterate over a stream's committed events."""
        for event in self._tables.streams.get(stream, [])[after:]:
            yield event

    async def announce(self) -> None:
        """Do nothing: there are no other processes."""

    async def watch(self, heard: Callable[[], None]) -> None:
        """Return: there is nothing to hear."""

    async def holding_back(self) -> Sequence[str]:
        """Return none: events are visible as soon as they have a position."""
        return ()

    async def count(self, *, after: Position, upto: Position) -> int:
        """Return how many events lie between two positions."""
        positions = self._tables.positions
        return max(0, bisect_right(positions, upto) - bisect_right(positions, after))


class InMemoryLogWriter:
    """A `LogWriter`.

    Args:
        step: the transaction.
        tables: the committed data, which numbers the positions.
    """

    __slots__ = ("_step", "_tables")

    def __init__(self, step: Step, tables: Tables) -> None:
        self._step = step
        self._tables = tables

    async def append(
        self, stream: str, events: Sequence[NewEvent], *, expected: ExpectedVersion
    ) -> Sequence[StoredEvent]:
        """Append events to a stream."""
        overlay = await self._step.writing()
        version = overlay.stream_version(stream)
        if expected is not Expected.ANY and version != (0 if expected is Expected.NO_STREAM else expected):
            raise self._step.broken(ConcurrencyConflict(stream, expected=expected, actual=version))
        known = [event.id for event in events if overlay.knows(event.id)]
        if known or len({event.id for event in events}) < len(events):
            raise self._step.broken(
                DuplicateEvent(f"cannot append to {stream}: an event id is in the log already: {known}.")
            )
        position = self._tables.new_position
        stored = [StoredEvent(*event, stream, number, position()) for number, event in enumerate(events, version + 1)]
        overlay.appended.extend(stored)
        return stored

    async def read(self, stream: str, *, after: int = 0) -> AsyncIterator[StoredEvent]:
        """Iterate over a stream's events, including those of this transaction."""
        for event in self._step.reading().stream(stream)[after:]:
            yield event
