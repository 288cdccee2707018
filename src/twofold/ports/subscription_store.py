"""Checkpoints and parked events: how far a subscription has come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from .event_log import Position, StoredEvent


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a subscription has come in a log.

    Attributes:
        position: it has dealt with every event up to and including this position: applied, filtered out or parked.
        log: the identity of the log that the position belongs to.
        parked: how many events it has parked.
    """

    position: Position
    log: str
    parked: int = 0


class ParkedEvent(NamedTuple):
    """An event that a subscription could not handle, or that came after such an event of the same key.

    Attributes:
        event: the event as it is stored in the log.
        key: the ordering key whose events are held back.
        reason: why, in words, with the class of the error.
        attempts: how often it was tried; 0 when it only follows another parked event of its key.
        time: when it was parked, UTC.
    """

    event: StoredEvent
    key: str
    reason: str
    attempts: int
    time: datetime


class SubscriptionStore(Protocol):
    """Look at checkpoints and parked events, outside of any transaction."""

    async def checkpoint(self, subscription: str) -> Checkpoint | None:
        """Return the committed checkpoint, or None when the subscription never ran here."""
        ...

    async def parked(self, subscription: str, *, key: str | None = None) -> Sequence[ParkedEvent]:
        """Return the parked events in the order in which they were parked, of one key or of all."""
        ...

    async def parked_keys(self, subscription: str) -> frozenset[str]:
        """Return the keys that have a parked event."""
        ...


class SubscriptionTransaction(Protocol):
    """Move a checkpoint in the same atomic step as the effects that it stands for."""

    async def advance(self, subscription: str, *, expected: Checkpoint | None, to: Checkpoint) -> None:
        """Write the checkpoint `to` where `expected` stands now (None: where there is none).

        Raises:
            CheckpointMoved: another checkpoint stands there. The transaction must be rolled back.
        """
        ...

    async def park(self, subscription: str, events: Sequence[ParkedEvent]) -> None:
        """Store parked events; parking one twice keeps the first. `advance` writes their number."""
        ...
