"""Subscriptions as a store keeps them: their partitions, and the leases that distribute these among workers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from .checkpoints import Checkpoint, Lease


class Pause(NamedTuple):
    """The record that an operator has paused a subscription.

    Attributes:
        since: when it was paused, in UTC, by the clock of the store.
        reason: why, in the words of the operator: valid Unicode, without NUL, at most 500 characters; may be empty.
    """

    since: datetime
    reason: str = ""

    @property
    def text(self) -> str:
        """Since when the subscription is paused, and why, in words."""
        since = f"since {self.since.isoformat(timespec='seconds')}"
        return f"{since}: {self.reason}" if self.reason else since


class Partition(NamedTuple):
    """A partition of a subscription: the events whose ordering key falls into it.

    Attributes:
        number: the number of the partition, from 0.
        checkpoint: how far it was processed.
        generation: the fencing token of the last claim.
        owner: the worker that holds its lease now, or None.
        pause: the pause of its subscription, the same for all partitions, or None.
    """

    number: int
    checkpoint: Checkpoint
    generation: int
    owner: str | None
    pause: Pause | None = None


class SubscriptionStore(Protocol):
    """Read checkpoints, and lease partitions to workers: `ReadStore.subscriptions`. Each call is a transaction of its own.

    A lease ends when it is released, or when it was not renewed in time, by the clock of the store. A worker that paused for
    longer may believe that it still holds a partition that another worker has claimed. Its writes are refused, because the
    generation has changed.

    A pause belongs to the subscription and not to its partitions: it may be recorded before the subscription has any, and
    dividing it again keeps the pause. Workers obey it; the store grants leases all the same. Consumers of a broker, which
    have no partitions here, are paused in the same way.
    """

    async def checkpoint(self, subscription: str) -> Checkpoint | None:
        """Return the committed checkpoint, or None when the subscription never ran here.

        With several partitions it is the lowest checkpoint, with the number of parked events of all partitions.
        """
        ...

    async def partitions(self, subscription: str) -> Sequence[Partition]:
        """Return the partitions by their numbers; none when the subscription never ran here."""
        ...

    async def claim(
        self, subscription: str, owner: str, *, seconds: float, limit: int, force: bool = False
    ) -> Sequence[Lease]:
        """Lease partitions that no worker holds. If several workers claim the same partition, one of them gets it.

        The new generation of a partition is the store's time in microseconds since 1970, or one more than its last
        generation if that is greater. So a store that lost its last commits does not grant a lost generation again.

        Args:
            subscription: the subscription.
            owner: the worker.
            seconds: the duration of the lease, unless it is renewed.
            limit: the maximum number of partitions to lease.
            force: also take partitions that other workers hold.
        """
        ...

    async def renew(self, leases: Sequence[Lease], *, seconds: float) -> Sequence[Lease]:
        """Extend leases to `seconds` from now; return those that are still valid.

        A lease that ended is valid again unless another worker has claimed its partition.
        """
        ...

    async def release(self, leases: Sequence[Lease]) -> None:
        """End leases; those that were lost in the meantime do not change."""
        ...

    async def attend(self, subscription: str, owner: str, *, seconds: float) -> int:
        """Register a worker for `seconds`; return the number of registered workers, including this one.

        With 0 seconds, end the registration and return the number of others.
        """
        ...

    async def paused(self, subscription: str) -> Pause | None:
        """Return the pause of a subscription, also if the subscription has no partitions here; None if it is not paused."""
        ...

    async def pause(self, subscription: str, pause: Pause) -> None:
        """Record a pause. If the subscription is paused already, the earlier record stays."""
        ...

    async def resume(self, subscription: str) -> None:
        """Delete the record of a pause, if there is one."""
        ...
