"""Subscriptions as a store keeps them: their partitions, and the leases that distribute these among workers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from .checkpoints import Checkpoint, Lease


class Partition(NamedTuple):
    """A partition of a subscription: the events whose ordering key falls into it.

    Attributes:
        number: the number of the partition, from 0.
        checkpoint: how far it was processed.
        generation: how often it was claimed.
        owner: the worker that holds its lease now, or None.
    """

    number: int
    checkpoint: Checkpoint
    generation: int
    owner: str | None


class SubscriptionStore(Protocol):
    """Read checkpoints, and lease partitions to workers: `ReadStore.subscriptions`. Each call is a transaction of its own.

    A lease ends when it is released, or when it was not renewed in time, by the clock of the store. A worker that paused for
    longer may believe that it still holds a partition that another worker has claimed. Its writes are refused, because the
    generation has changed.
    """

    async def checkpoint(self, subscription: str) -> Checkpoint | None:
        """Return the committed checkpoint, or None when the subscription never ran here.

        With several partitions it is the lowest checkpoint, with the number of events that all partitions have set aside.
        """
        ...

    async def partitions(self, subscription: str) -> Sequence[Partition]:
        """Return the partitions by their numbers; none when the subscription never ran here."""
        ...

    async def claim(
        self, subscription: str, owner: str, *, seconds: float, limit: int, force: bool = False
    ) -> Sequence[Lease]:
        """Lease partitions that no worker holds. If several workers claim the same partition, one of them gets it.

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
        """Register a worker for `seconds`; return the number of registered workers, including this one."""
        ...
