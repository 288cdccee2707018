"""Checkpoints, leases and parked events: how far a subscription has come, and who may move it on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from .._definitions.position import Position
from .event_log import StoredEvent


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a subscription has come in a log.

    Attributes:
        position: it has dealt with every event up to and including this position: applied, filtered out or set aside.
        log: the identity of the log that the position belongs to.
        parked: how many events it has set aside: held until their next try, or parked.
    """

    position: Position
    log: str
    parked: int = 0


class Lease(NamedTuple):
    """The right of one worker to move one partition of a subscription on, until it is taken from it.

    Attributes:
        subscription: the subscription.
        partition: which of its partitions, from 0.
        generation: counted up each time the partition is claimed, so that a worker that lost it is recognised.
    """

    subscription: str
    partition: int
    generation: int


class Partition(NamedTuple):
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

    The first event of a key says what the key waits for. With a time in `again` it is *held*: tried by itself then. Without
    one it is *parked*: tried when somebody asks for it.

    Attributes:
        event: the event as it is stored in the log.
        key: the ordering key whose events are held back.
        reason: why, in words, with the class of the error: valid Unicode, without NUL.
        attempts: how often it was tried; 0 when it only follows another event of its key.
        time: when it was set aside, or failed last, UTC.
        again: when it is tried again by itself, UTC, by the application's clock; None only on request, and for what
            follows another event of its key.
    """

    event: StoredEvent
    key: str
    reason: str
    attempts: int
    time: datetime
    again: datetime | None = None


class SubscriptionStore(Protocol):
    """Look at checkpoints and parked events, and hand partitions out to workers. Each call is a transaction of its own.

    A lease ends when it is released, and a while after it was last renewed, by the clock of the store. A worker that was
    away for longer may believe that it holds a partition that another has claimed; whatever it writes is then refused,
    because the generation has moved on.
    """

    async def checkpoint(self, subscription: str) -> Checkpoint | None:
        """Return the committed checkpoint, or None when the subscription never ran here.

        Of several partitions it is the lowest one, with the number of events that all of them have set aside.
        """
        ...

    async def partitions(self, subscription: str) -> Sequence[Partition]:
        """Return the partitions in their order; none when the subscription never ran here."""
        ...

    async def claim(
        self, subscription: str, owner: str, *, seconds: float, limit: int, force: bool = False
    ) -> Sequence[Lease]:
        """Take partitions that nobody holds; of several workers that want the same one, one gets it.

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
        """Give partitions back; those that were lost meanwhile are left alone."""
        ...

    async def attend(self, subscription: str, owner: str, *, seconds: float) -> int:
        """Say that a worker is here for so many seconds; return how many are, this one included."""
        ...

    async def parked(self, subscription: str, *, key: str | None = None) -> Sequence[ParkedEvent]:
        """Return the held and parked events in the order in which they were set aside, of one key or of all."""
        ...

    async def parked_keys(self, subscription: str) -> Mapping[str, int]:
        """Return the keys that have a held or parked event, each with how many."""
        ...

    async def retries(self, subscription: str) -> Mapping[str, datetime]:
        """Return the keys that are held, each with the time of its next try, whether that has come or not."""
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
            lease: the partition, and the right to move it. Without one the first partition is moved, whoever holds it.

        Raises:
            CheckpointMoved: another checkpoint stands there, or the lease was lost. The transaction must be rolled back.
        """
        ...

    async def divide(self, subscription: str, checkpoints: Sequence[Checkpoint], *, leases: Sequence[Lease]) -> None:
        """Replace the partitions of a subscription by others, which nobody holds.

        Args:
            subscription: the subscription.
            checkpoints: one for each new partition.
            leases: those of all partitions that there are; none when the subscription never ran here.

        Raises:
            CheckpointMoved: there are other partitions, or a lease was lost. The transaction must be rolled back.
        """
        ...

    async def park(self, subscription: str, events: Sequence[ParkedEvent]) -> None:
        """Set events aside, held or parked; one that is there already stays as it is. `advance` writes their number."""
        ...

    async def unpark(self, subscription: str, positions: Sequence[Position]) -> int:
        """Forget held and parked events; return how many there were. `advance` writes the number that is left."""
        ...

    async def adopt_parked(self, subscription: str, *, of: str) -> None:
        """Let the held and parked events of another subscription take the place of this one's."""
        ...

    async def ask_retry(self, subscription: str, key: str, *, at: datetime) -> bool:
        """Let the first event that a key has set aside be tried at a time; return whether there is one."""
        ...

    async def blame(self, subscription: str, parked: ParkedEvent) -> None:
        """Write reason, attempts, time and next try anew to an event that is set aside; it keeps its place."""
        ...
