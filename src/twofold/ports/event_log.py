"""The event log: the ordered, stored events and how they are read. `LogWriter` appends to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from datetime import datetime
from enum import Enum
from typing import NamedTuple, Protocol, TypeAlias
from uuid import UUID

from .._definitions.position import START, Position


class Expected(Enum):
    """What a writer expects of a stream whose exact version it does not name."""

    ANY = "any"
    NO_STREAM = "no stream"

    def __str__(self) -> str:
        return self.value


ExpectedVersion: TypeAlias = int | Expected
"""An exact stream version (the number of its events, 0 for none), or an `Expected`."""


class NewEvent(NamedTuple):
    """An encoded event that is not stored yet.

    Attributes:
        id: unique in the log.
        name: the stable wire name of the event.
        schema: the version of the event's fields, from 1.
        data: the event's fields as JSON text.
        metadata: the rest of its envelope as JSON text.
        time: when it happened, UTC.
    """

    id: UUID
    name: str
    schema: int
    data: str
    metadata: str
    time: datetime


class StoredEvent(NamedTuple):
    """An encoded event as the log holds it. The first six fields are those of `NewEvent`.

    Attributes:
        stream: the stream it belongs to.
        version: its number in the stream, from 1, without gaps.
        position: its place in the log; ascending, with gaps where transactions rolled back.
    """

    id: UUID
    name: str
    schema: int
    data: str
    metadata: str
    time: datetime
    stream: str
    version: int
    position: Position


class LogPage(NamedTuple):
    """A run of events in log order.

    Attributes:
        events: those that matched, in ascending position.
        last: the position up to which the log was looked through, matching or not. Reading on from here skips
            nothing. Equal to the position asked for when there was nothing more to read.
    """

    events: tuple[StoredEvent, ...]
    last: Position


class EventLog(Protocol):
    """Read the ordered log of events.

    Order: `read_all` delivers positions in ascending order and each committed event exactly once per pass. An event
    that commits late is never skipped: a page ends before any position that may still be filled. A stream's events
    come in version order. Events of a transaction become readable together, when it commits, and never if it rolls
    back; the positions it used then stay empty and hold nobody up.
    """

    async def identity(self) -> str:
        """Return the identity of this log: made when the log is created, the same in every process, never reused."""
        ...

    async def head(self) -> Position:
        """Return the last position that a reader can reach now, `START` for an empty log."""
        ...

    async def read_all(
        self, *, after: Position = START, limit: int = 500, names: Collection[str] | None = None
    ) -> LogPage:
        """Return the next events after a position.

        Args:
            after: the position to start behind.
            limit: how many events to return at most, at least 1.
            names: the wire names wanted; all when None.

        Raises:
            TransientFailure: the store did not answer; asking again may help.
        """
        ...

    def read(self, stream: str, *, after: int = 0) -> AsyncIterator[StoredEvent]:
        """Iterate over a stream's committed events in version order; nothing for an unknown stream.

        Args:
            stream: the stream's name.
            after: the version to start behind, in events.

        Raises:
            TransientFailure: the store did not answer; asking again may help.
        """
        ...

    async def announce(self) -> None:
        """Notification to other processes that events were appended. It may be lost, come late, or stand for several."""
        ...

    async def watch(self, heard: Callable[[], None]) -> None:
        """Call `heard` at each notification of another process, until cancelled.

        It returns at once where there are no notifications, and when they cannot be heard any more: then watch again.
        """
        ...

    async def holding_back(self) -> Sequence[str]:
        """Say in words, for people, which transactions readers wait for at the moment; none when they wait for none."""
        ...

    async def count(self, *, after: Position, upto: Position) -> int:
        """Return how many events lie behind `after` and not behind `upto`."""
        ...
