"""The event log inside a transaction: append events, and read streams that include them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from .event_log import ExpectedVersion, NewEvent, StoredEvent


class LogWriter(Protocol):
    """Append to the log and read streams, atomic with everything else in the transaction: `WriteTransaction.log`."""

    async def append(
        self, stream: str, events: Sequence[NewEvent], *, expected: ExpectedVersion, inline: int | None = None
    ) -> Sequence[StoredEvent]:
        """Append events to a stream.

        Versions are numbered without gaps. The expectation is checked also when there are no events.

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

    async def lock(self) -> None:
        """Block the appends of other transactions until the end of this one.

        Wait until every other transaction that has appended has ended. From then on, `EventLog.head` is the end of the log.

        Raises:
            TransientFailure: the wait timed out. The transaction must be rolled back.
        """
        ...

    def read(self, stream: str, *, after: int = 0) -> AsyncIterator[StoredEvent]:
        """Iterate over a stream's events in version order, including the events of this transaction.

        A read-only transaction returns the events of its one state; `WriteStore.log` may return later ones.

        Args:
            stream: the stream's name.
            after: the version to start after.
        """
        ...
