"""Parked events (dead letters) and events with a pending retry, each with the later events of its key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from .._definitions.position import Position
from .event_log import StoredEvent


class Edit(NamedTuple):
    """The record that an operator has replaced the payload of a parked event.

    Attributes:
        time: when, in UTC, by the clock of the application.
        by: who; may be empty.
        reason: why; may be empty.
    """

    time: datetime
    by: str = ""
    reason: str = ""


class ParkedEvent(NamedTuple):
    """An event that a subscription could not process, or a later event of the same key.

    The first event of a key decides when the key continues. If it has a time in `again`, its *retry is pending*: the
    subscription retries the event at that time. If it has none, it is *parked* until an operator requests a retry.

    Attributes:
        event: the event as it is stored in the log, except for `data` and `schema` after an edit.
        key: the ordering key whose later events wait.
        reason: the error in words, with its class: valid Unicode, without NUL.
        attempts: how often processing failed; 0 for an event that waits for an earlier event of its key.
        time: the time of parking, or of the last failure, in UTC.
        again: the time of the next retry, in UTC, by the clock of the store. None if the event is retried only on
            request, or waits for an earlier event of its key.
        edit: the last edit of the payload, for this subscription only; None if the payload is that of the log.
    """

    event: StoredEvent
    key: str
    reason: str
    attempts: int
    time: datetime
    again: datetime | None = None
    edit: Edit | None = None


def not_parked_at(subscription: str, position: Position) -> LookupError:
    """Return the error for a page after an event that is not here."""
    return LookupError(
        f"cannot continue the parked events of {subscription!r} after position {position}: no event at this position is "
        "parked or has a pending retry. It was retried or discarded. Start again with the first page."
    )


class ParkedEventReader(Protocol):
    """Read the committed events with a pending retry and parked events: `ReadStore.parked`."""

    async def read(
        self,
        subscription: str,
        *,
        key: str | None = None,
        error: str | None = None,
        after: Position | None = None,
        limit: int | None = None,
    ) -> Sequence[ParkedEvent]:
        """Return the events in the order in which they were added.

        The cost of a page does not depend on the number of pages before it. With `error` it may depend on the number of
        other events in between.

        Args:
            subscription: the subscription.
            key: an ordering key; None for all keys.
            error: the name of an error class. Events whose `reason` begins with the name and a colon are returned.
            after: the position of the event that precedes the page; None for the first page.
            limit: the maximum number of events, at least 1; None for all.

        Raises:
            LookupError: no event at the position `after` is here (any more).
        """
        ...

    async def keys(self, subscription: str) -> Mapping[str, int]:
        """Return the keys that have events here, each with their number."""
        ...

    async def retries(self, subscription: str) -> Mapping[str, datetime]:
        """Return the keys with a pending retry, each with its time, in the past or in the future."""
        ...


class ParkedEventWriter(Protocol):
    """Change these events: `ReadTransaction.parked`. Their number is part of the checkpoint: also `advance` it."""

    async def add(self, subscription: str, events: Sequence[ParkedEvent]) -> None:
        """Add events with a pending retry, or parked; an event that is here already does not change."""
        ...

    async def remove(self, subscription: str, positions: Sequence[Position]) -> int:
        """Delete events by their position; return how many were deleted."""
        ...

    async def update(self, subscription: str, parked: ParkedEvent) -> None:
        """Replace reason, attempts, time, next retry and edit of an event, and its `data` and `schema`.

        The event keeps its place in the order. An event that is not here is not added.
        """
        ...

    async def retry(self, subscription: str, key: str, *, at: datetime) -> bool:
        """Set the next retry of the first event of a key; return whether the key has an event."""
        ...

    async def adopt(self, subscription: str, *, of: str) -> None:
        """Replace all events of a subscription by those of another subscription, which are moved."""
        ...
