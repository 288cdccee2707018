"""Checkpoints, leases and parked events: how far a subscription has come, and who may move it on."""

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


class Lease(NamedTuple):
    """The right of one worker to move one segment of a subscription on, until it is taken from it.

    Attributes:
        subscription: the subscription.
        segment: which of its segments, from 0.
        generation: counted up each time the segment is claimed, so that a worker that lost it is recognised.
    """

    subscription: str
    segment: int
    generation: int


class Segment(NamedTuple):
    """A part of a subscription: the events whose ordering key falls to it.

    Attributes:
        number: which one, from 0.
        checkpoint: how far it has come.
        generation: how often it was claimed.
        owner: the worker that holds its lease now; None when nobody does.
    """

    number: int
    checkpoint: Checkpoint
    generation: int
    owner: str | None


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
    """Look at checkpoints and parked events, and hand segments out to workers. Each call is a transaction of its own.

    A lease ends when it is released, and a while after it was last renewed, by the clock of the store. A worker that was
    away for longer may believe that it holds a segment that another has claimed; whatever it writes is then refused,
    because the generation has moved on.
    """

    async def checkpoint(self, subscription: str) -> Checkpoint | None:
        """Return the committed checkpoint, or None when the subscription never ran here.

        Of several segments it is the lowest one, with the number of parked events of all.
        """
        ...

    async def segments(self, subscription: str) -> Sequence[Segment]:
        """Return the segments in their order; none when the subscription never ran here."""
        ...

    async def claim(
        self, subscription: str, owner: str, *, seconds: float, limit: int, force: bool = False
    ) -> Sequence[Lease]:
        """Take segments that nobody holds; of several workers that want the same one, one gets it.

        Args:
            subscription: the subscription.
            owner: who takes them.
            seconds: how long the lease lasts unless it is renewed.
            limit: how many to take at most.
            force: take those that others hold too.
        """
        ...

    async def renew(self, leases: Sequence[Lease], *, seconds: float) -> Sequence[Lease]:
        """Let leases last for so many seconds from now; return those that still hold.

        One that ended, and that nobody else took, holds again.
        """
        ...

    async def release(self, leases: Sequence[Lease]) -> None:
        """Give segments back; those that were lost meanwhile are left alone."""
        ...

    async def attend(self, subscription: str, owner: str, *, seconds: float) -> int:
        """Say that a worker is here for so many seconds; return how many are, this one included."""
        ...

    async def parked(self, subscription: str, *, key: str | None = None) -> Sequence[ParkedEvent]:
        """Return the parked events in the order in which they were parked, of one key or of all."""
        ...

    async def parked_keys(self, subscription: str) -> frozenset[str]:
        """Return the keys that have a parked event."""
        ...

    async def retries(self, subscription: str) -> frozenset[str]:
        """Return the keys whose parked events are to be tried again."""
        ...


class SubscriptionTransaction(Protocol):
    """Move a checkpoint in the same atomic step as the effects that it stands for."""

    async def advance(
        self, subscription: str, *, expected: Checkpoint | None, to: Checkpoint, lease: Lease | None = None
    ) -> None:
        """Write the checkpoint `to` where `expected` stands now (None: where there is none).

        Args:
            subscription: the subscription.
            expected: what must stand there.
            to: what to write.
            lease: the segment, and the right to move it. Without one the first segment is moved, whoever holds it.

        Raises:
            CheckpointMoved: another checkpoint stands there, or the lease was lost. The transaction must be rolled back.
        """
        ...

    async def divide(self, subscription: str, checkpoints: Sequence[Checkpoint], *, leases: Sequence[Lease]) -> None:
        """Replace the segments of a subscription by others, which nobody holds.

        Args:
            subscription: the subscription.
            checkpoints: one for each new segment.
            leases: those of all segments that there are; none when the subscription never ran here.

        Raises:
            CheckpointMoved: there are other segments, or a lease was lost. The transaction must be rolled back.
        """
        ...

    async def park(self, subscription: str, events: Sequence[ParkedEvent]) -> None:
        """Store parked events; parking one twice keeps the first. `advance` writes their number."""
        ...

    async def unpark(self, subscription: str, positions: Sequence[Position]) -> int:
        """Forget parked events; return how many there were. `advance` writes the number that is left."""
        ...

    async def adopt_parked(self, subscription: str, *, of: str) -> None:
        """Let the parked events of another subscription take the place of this one's."""
        ...

    async def ask_retry(self, subscription: str, key: str, *, wanted: bool = True) -> int:
        """Mark the parked events of a key to be tried again, or not any more; return how many there are."""
        ...

    async def blame(self, subscription: str, parked: ParkedEvent) -> None:
        """Write a new reason and number of attempts to an event that is parked."""
        ...
