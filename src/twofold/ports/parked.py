"""Parked events (dead letters): what a subscription could not process, and what waits behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from .._definitions.position import Position
from .event_log import StoredEvent


class ParkedEvent(NamedTuple):
    """An event that a subscription could not process, or that came after such an event of the same key.

    The first event of a key decides when the key continues. If it has a time in `again`, the subscription retries it then:
    the event is *held*. If it has none, it is *parked* until somebody asks for a retry.

    Attributes:
        event: the event as it is stored in the log.
        key: the ordering key whose later events wait.
        reason: the error in words, with its class: valid Unicode, without NUL.
        attempts: how often processing failed; 0 for an event that only waits behind another one of its key.
        time: when it was set aside, or failed last, UTC.
        again: the time of the next retry, UTC, by the application's clock; None when it is retried only on request, and for
            an event that waits behind another one of its key.
    """

    event: StoredEvent
    key: str
    reason: str
    attempts: int
    time: datetime
    again: datetime | None = None


class ParkedEventReader(Protocol):
    """Read the committed held and parked events: `ReadStore.parked`."""

    async def read(self, subscription: str, *, key: str | None = None) -> Sequence[ParkedEvent]:
        """Return the events in the order in which they were set aside, of one key or of all keys."""
        ...

    async def keys(self, subscription: str) -> Mapping[str, int]:
        """Return the keys that have held or parked events, each with their number."""
        ...

    async def retries(self, subscription: str) -> Mapping[str, datetime]:
        """Return the keys that are held, each with the time of its next retry, in the past or in the future."""
        ...


class ParkedEventWriter(Protocol):
    """Change held and parked events: `ReadTransaction.parked`. Their number is part of the checkpoint: also `advance` it."""

    async def add(self, subscription: str, events: Sequence[ParkedEvent]) -> None:
        """Set events aside, held or parked; an event that is set aside already does not change."""
        ...

    async def remove(self, subscription: str, positions: Sequence[Position]) -> int:
        """Delete events by their position; return how many were deleted."""
        ...

    async def update(self, subscription: str, parked: ParkedEvent) -> None:
        """Replace reason, attempts, time and next retry of an event that is set aside; it keeps its place in the order."""
        ...

    async def retry(self, subscription: str, key: str, *, at: datetime) -> bool:
        """Set the next retry of the first event of a key; return whether the key has an event."""
        ...

    async def adopt(self, subscription: str, *, of: str) -> None:
        """Delete all events of a subscription, and move those of another subscription in their place."""
        ...
