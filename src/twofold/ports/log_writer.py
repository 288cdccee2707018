"""The event log inside a transaction: append events, and read streams that include them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Sequence
from typing import Protocol

from .._definitions.position import START, Position
from .event_log import ExpectedVersion, NewEvent, StoredEvent
from .tags import AppendCondition, Criterion


class LogWriter(Protocol):
    """Append to the log and read streams, atomic with everything else in the transaction: `WriteTransaction.log`."""

    async def append(
        self, stream: str, events: Sequence[NewEvent], *, expected: ExpectedVersion, inline: int | None = None
    ) -> Sequence[StoredEvent]:
        """Append events to a stream.

        Versions are numbered without gaps. The expectation is checked also when there are no events. The tags of the events
        are stored with them.

        Args:
            stream: the stream's name.
            events: the events, in order.
            expected: the state that the stream must have; an exact version is a number of events, 0 means no stream.
            inline: the generation of the inline projections that the caller applies. It is compared with the committed one
                when no other transaction can lock the log any more. None compares nothing.

        Returns:
            The events as stored, with version and position.

        Raises:
            ConcurrencyConflict: the stream does not have the expected state. The error carries both versions.
            DuplicateEvent: an event id is in the log already.
            InlineProjectionsChanged: the inline projections of the log have another generation.
        """
        ...

    async def matching(
        self,
        criteria: Sequence[Criterion],
        *,
        after: Position = START,
        upto: Position | None = None,
        limit: int = 500,
    ) -> Sequence[StoredEvent]:
        """Return the first events that one of some criteria selects, by ascending position, each once.

        The events of this transaction are included. With tags in each criterion, the cost does not depend on the number of
        other events. A read-only transaction reads its one state.

        Args:
            criteria: the criteria; at least one.
            after: the position after which to read.
            upto: the last position to read; None for no limit.
            limit: the maximum number of events; at least 1. Fewer events are the last ones.

        Raises:
            TransientFailure: the store did not answer.
        """
        ...

    async def settled(self) -> Position:
        """Return a position up to which no other transaction can still commit an event: `AppendCondition.since`.

        It precedes the events of this transaction. `START` is always a right answer, at the cost of a longer check.
        """
        ...

    async def guard(self, conditions: Sequence[AppendCondition], tags: Collection[str]) -> None:
        """Check conditions, and let no other transaction violate them until the end of this one.

        A transaction calls this once, before its first append, with the tags of all events that it will append. The check
        sees every event that is committed before this transaction, also an event at a lower position than those that were
        read. Every append takes part, with and without conditions: an event that matches is appended by another
        transaction either before the check, which sees it, or after the end of this transaction. Transactions whose
        criteria select no events of each other do not violate each other, and run concurrently where the store can.

        Args:
            conditions: the conditions; empty for a transaction that appends tagged events in several calls of `append`,
                and that a store can then order to prevent deadlocks.
            tags: the tags of the events that follow.

        Raises:
            BoundaryConflict: the log has an event that matches a condition and was not read.
            TransientFailure: the wait timed out. The transaction must be rolled back.
        """
        ...

    async def lock(self) -> None:
        """Block the appends of other transactions until the end of this one.

        Wait until every other transaction that has appended has ended. From then on, `EventLog.head` is the end of the log.

        Raises:
            TransientFailure: the wait timed out. The transaction must be rolled back.
        """
        ...

    def read(self, stream: str, *, after: int = 0) -> AsyncGenerator[StoredEvent]:
        """Iterate over a stream's events in version order, including the events of this transaction.

        A caller that stops early closes the generator.

        A read-only transaction returns the events of its one state; `WriteStore.log` may return later ones.

        Args:
            stream: the stream's name.
            after: the version to start after.
        """
        ...
