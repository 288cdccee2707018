"""The event log: the ordered, stored events and how they are read. `LogWriter` appends to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import NamedTuple, Protocol, TypeAlias
from uuid import UUID

from .._definitions.position import START, Position
from .inline_projections import RecordedInline


class Expected(Enum):
    """The expected state of a stream, if the writer does not name an exact version."""

    ANY = "any"
    NO_STREAM = "no stream"

    def __str__(self) -> str:
        return self.value


ExpectedVersion: TypeAlias = int | Expected
"""An exact stream version (the number of its events, 0 for none), or an `Expected`."""


class BlockingTransaction(NamedTuple):
    """An open transaction that readers of the log wait for.

    Attributes:
        text: the session of the transaction and its state, for operators.
        seconds: how long the transaction has been open.
    """

    text: str
    seconds: float


class NewEvent(NamedTuple):
    """An encoded event that is not stored yet.

    Attributes:
        id: unique in the log.
        name: the stable wire name of the event.
        schema: the version of the event's fields, from 1.
        data: the event's fields as JSON text.
        metadata: the rest of its envelope as JSON text.
        time: when it happened, UTC.
        tags: its tags, each once: texts of 1 to 380 characters, without NUL.
    """

    id: UUID
    name: str
    schema: int
    data: str
    metadata: str
    time: datetime
    tags: tuple[str, ...] = ()


class StoredEvent(NamedTuple):
    """An event as stored in the log, encoded. The first six fields are those of `NewEvent`.

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
    """A batch of events in the order of the log.

    Attributes:
        events: the matching events, by ascending position.
        last: the position up to which the log was read, with or without matching events. Reading after this position
            skips nothing. It equals the requested position if there was nothing to read; otherwise it is the position
            of an event.
        event: the id of the event at `last`, matching or not; the requested id if there was nothing to read.
    """

    events: tuple[StoredEvent, ...]
    last: Position
    event: UUID | None = None


class EventLog(Protocol):
    """Read the ordered log of events.

    Order: `read_all` delivers positions in ascending order and each committed event exactly once per pass. An event
    that commits late is never skipped: a page ends before any position that may still be filled. A stream's events
    come in version order. Events of a transaction become readable together, when it commits, and never if it rolls
    back. The positions of a rolled-back transaction stay empty and delay no reader.

    Identity of positions: a log loses its last events if its server fails over to a replica with a lag, or if it is
    restored from a backup. It keeps its identity and assigns these positions again. So a reader that stores a position
    also stores the id of the event there, and passes both. A reader never mistakes another event for the one that it
    has read.
    """

    async def identity(self) -> str:
        """Return the identity of this log: made when the log is created, the same in every process, never reused.

        It has 1 to 100 printable characters, because tokens carry it.
        """
        ...

    async def head(self) -> Position:
        """Return the last position that a reader can reach now, `START` for an empty log. An event has this position."""
        ...

    async def read_all(
        self,
        *,
        after: Position = START,
        event: UUID | None = None,
        limit: int = 500,
        names: Collection[str] | None = None,
    ) -> LogPage:
        """Return the next events after a position.

        Args:
            after: the position after which to start.
            event: the id of the event at `after`, as an earlier page returned it. Each call verifies it, also when
                there is nothing more to read, by the same statements and on the same connection. None skips the check.
            limit: the maximum number of events; at least 1.
            names: the wire names of the events to return; None for all events.

        Raises:
            EventsLost: the event at `after` is another one or missing: the log has lost the event.
            TransientFailure: the store did not answer. The call can be repeated.
        """
        ...

    async def ids(self, positions: Collection[Position]) -> Mapping[Position, UUID]:
        """Return the ids of the committed events at these positions; a position without an event is left out.

        Raises:
            TransientFailure: the store did not answer. The call can be repeated.
        """
        ...

    async def positions(self, ids: Collection[UUID]) -> Mapping[UUID, Position]:
        """Return the positions of the committed events with these ids; an id without an event is left out.

        Raises:
            TransientFailure: the store did not answer. The call can be repeated.
        """
        ...

    async def inline(self) -> RecordedInline:
        """Return the inline projections of this log; `WriteTransaction.inline` records them.

        Raises:
            TransientFailure: the store did not answer. The call can be repeated.
        """
        ...

    def read(self, stream: str, *, after: int = 0) -> AsyncIterator[StoredEvent]:
        """Iterate over a stream's committed events in version order; nothing for an unknown stream.

        Args:
            stream: the stream's name.
            after: the version after which to start.

        Raises:
            TransientFailure: the store did not answer. The call can be repeated.
        """
        ...

    async def read_correlated(
        self, correlation_id: UUID, *, after: Position, before: Position, limit: int, newest_first: bool = False
    ) -> Sequence[StoredEvent]:
        """Return committed events of one interaction: those whose metadata has this `correlation_id`.

        The cost does not depend on the number of other events. It is the only read by metadata, for operators. The value in
        the metadata is the canonical text of the UUID; events with other metadata are not returned.

        Args:
            correlation_id: the correlation id.
            after: the position after which to read.
            before: the position before which to read.
            limit: the maximum number of events; at least 1.
            newest_first: return the last events, by descending position. By default the first, by ascending position.

        Raises:
            TransientFailure: the store did not answer. The call can be repeated.
        """
        ...

    async def announce(self, origin: str) -> None:
        """Notify all watchers that events were appended.

        A notification may be lost, delayed, or combined with others.

        Args:
            origin: identifies the sender, in at most 100 ASCII characters.
        """
        ...

    async def watch(self, notify: Callable[[str], None]) -> None:
        """Call `notify` once when the connection is ready, then at each notification, until cancelled.

        The call returns immediately if the log has no notifications, and when the connection is lost. Call it again
        then.

        Args:
            notify: called with the origin of each notification, and first with an empty text; does not wait.
        """
        ...

    async def blocking_transactions(self) -> Sequence[BlockingTransaction]:
        """Return the open transactions that delay readers; an empty sequence if there are none.

        They have appended events, and later events are committed. A reader returns none of these before the transactions
        end. The result includes the transactions that the last read of this process has found, if they are still open.
        """
        ...

    async def count(self, *, after: Position, upto: Position) -> int:
        """Return the number of events after the position `after`, up to and including `upto`.

        The cost may grow with the number of positions. Twofold counts within at most 10,000 positions.
        """
        ...
