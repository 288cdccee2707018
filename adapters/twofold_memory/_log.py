"""The event log: its reader, and its writer in a transaction."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping, Sequence
from itertools import islice
from uuid import UUID, uuid4

from twofold.errors import BoundaryConflict, ConcurrencyConflict, DuplicateEvent, EventsLost, InlineProjectionsChanged
from twofold.ports import (
    START,
    AppendCondition,
    BlockingTransaction,
    Criterion,
    Expected,
    ExpectedVersion,
    LogPage,
    NewEvent,
    Position,
    RecordedInline,
    StoredEvent,
)

from ._step import Step
from ._tables import GENERATIONS, INLINE, Tables
from ._tags import matching


class InMemoryEventLog:
    """The committed events, in order. Appended events become readable when their transaction commits."""

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
        self,
        *,
        after: Position = START,
        event: UUID | None = None,
        limit: int = 500,
        names: Collection[str] | None = None,
    ) -> LogPage:
        """Return the next events after a position."""
        tables = self._tables
        start = bisect_right(tables.positions, after)
        if event is not None and (start == 0 or tables.events[start - 1].id != event):
            raise EventsLost(
                "a reader", position=after, event=event, head=tables.head, advice="Read its checkpoint again."
            )
        if start == len(tables.events):
            return LogPage((), after, event)
        following = map(tables.events.__getitem__, range(start, len(tables.events)))
        found = (each for each in following if names is None or each.name in names)
        events = tuple(islice(found, limit))
        last = events[-1] if len(events) == limit else tables.events[-1]
        return LogPage(events, last.position, last.id)

    async def ids(self, positions: Collection[Position]) -> Mapping[Position, UUID]:
        """Return the ids of the events at these positions."""
        events, found = self._tables.events, dict[Position, UUID]()
        for position in positions:
            index = bisect_right(self._tables.positions, position) - 1
            if index >= 0 and events[index].position == position:
                found[position] = events[index].id
        return found

    async def positions(self, ids: Collection[UUID]) -> Mapping[UUID, Position]:
        """Return the positions of the events with these ids."""
        return {each: self._tables.ids[each] for each in ids if each in self._tables.ids}

    async def inline(self) -> RecordedInline:
        """Return the inline projections."""
        entries = self._tables.entries
        return RecordedInline(entries.get(GENERATIONS, {}).get(INLINE, 0), dict(entries.get(INLINE, {})))

    async def read(self, stream: str, *, after: int = 0) -> AsyncIterator[StoredEvent]:
        """Iterate over a stream's committed events."""
        for event in self._tables.streams.get(stream, [])[after:]:
            yield event

    async def read_correlated(
        self, correlation_id: UUID, *, after: Position, before: Position, limit: int, newest_first: bool = False
    ) -> Sequence[StoredEvent]:
        """Return events with a correlation id. The index is brought up to date here, so that an append costs nothing."""
        found = self._tables.correlated(str(correlation_id))
        fit = [event for event in found if after < event.position < before]
        return fit[::-1][:limit] if newest_first else fit[:limit]

    async def announce(self, origin: str) -> None:
        """Do nothing: there are no other processes."""

    async def watch(self, notify: Callable[[str], None]) -> None:
        """Return immediately: there are no notifications."""

    async def blocking_transactions(self) -> Sequence[BlockingTransaction]:
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
        self, stream: str, events: Sequence[NewEvent], *, expected: ExpectedVersion, inline: int | None = None
    ) -> Sequence[StoredEvent]:
        """Append events to a stream."""
        overlay = await self._step.writing()
        generation = overlay.get(GENERATIONS, INLINE) or 0
        if inline is not None and inline != generation:
            raise self._step.broken(InlineProjectionsChanged(expected=inline, actual=generation))
        version = overlay.stream_version(stream)
        if expected is not Expected.ANY and version != (0 if expected is Expected.NO_STREAM else expected):
            raise self._step.broken(ConcurrencyConflict(stream, expected=expected, actual=version))
        known = [event.id for event in events if overlay.knows(event.id)]
        if known or len({event.id for event in events}) < len(events):
            raise self._step.broken(
                DuplicateEvent(f"cannot append to {stream}: an event id is in the log already: {known}.")
            )
        position = self._tables.new_position
        stored = [
            StoredEvent(*event[:6], stream, number, position()) for number, event in enumerate(events, version + 1)
        ]
        overlay.appended.extend(stored)
        overlay.tagged.extend((tag, one) for event, one in zip(events, stored, strict=True) for tag in event.tags)
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
        return list(islice(matching(self._step.reading(), criteria, after, upto), limit))

    async def settled(self) -> Position:
        """Return the position of the last committed event: events are visible as soon as they have a position."""
        return self._step.reading().head

    async def guard(self, conditions: Sequence[AppendCondition], tags: Collection[str]) -> None:
        """Become the only transaction that writes, and check conditions."""
        overlay = await self._step.writing()
        for condition in conditions:
            if next(matching(overlay, condition.criteria, condition.last), None) is not None:
                raise self._step.broken(BoundaryConflict(str(condition), expected=condition.number))

    async def lock(self) -> None:
        """Become the only transaction that writes."""
        await self._step.writing()

    async def read(self, stream: str, *, after: int = 0) -> AsyncGenerator[StoredEvent]:
        """Iterate over the events of a stream, including the events of this transaction."""
        for event in self._step.reading().stream(stream)[after:]:
            yield event
