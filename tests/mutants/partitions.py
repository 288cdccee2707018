"""Stores that number partitions wrongly, or divide a subscription wrongly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twofold.ports import Checkpoint, Lease, Partition

from .broken import Around, Break, BrokenStore, break_transaction


class SortsAsText(Around):
    """Gives partition 10 before partition 2."""

    async def partitions(self, subscription: str) -> Sequence[Partition]:
        return sorted(await self.inner.partitions(subscription), key=lambda each: str(each.number))


class AllAreAtTheHighest(Around):
    """Gives the checkpoint of the fastest partition for each."""

    async def partitions(self, subscription: str) -> Sequence[Partition]:
        found: Sequence[Partition] = await self.inner.partitions(subscription)
        highest = max((each.checkpoint for each in found), key=lambda each: each.position, default=None)
        return [each if highest is None else each._replace(checkpoint=highest) for each in found]


class Renumbers(BrokenStore):
    """Numbers the partitions from another one on each time it is opened, as a salted hash would."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner, lambda transaction, *_: MovesRenumbered(transaction, self))
        self.salt = 0
        self._counts: dict[str, int] = {}

    async def open(self, views: Sequence[Any]) -> None:
        await self.inner.open(views)
        self.salt += 1

    def shifted(self, lease: Lease, sign: int) -> Lease:
        """Return a lease as workers know it (1), or as it is (-1)."""
        count = max(self._counts.get(lease.subscription, 1), 1)
        return lease._replace(partition=(lease.partition + sign * self.salt) % count)

    async def partitions(self, subscription: str) -> Sequence[Partition]:
        found = await self.inner.partitions(subscription)
        count = self._counts[subscription] = len(found)
        shifted = [each._replace(number=(each.number + self.salt) % count) for each in found]
        return sorted(shifted, key=lambda each: each.number)

    async def claim(self, subscription: str, *args: Any, **how: Any) -> Sequence[Lease]:
        await self.partitions(subscription)
        return [self.shifted(each, 1) for each in await self.inner.claim(subscription, *args, **how)]

    async def renew(self, leases: Sequence[Lease], **how: Any) -> Sequence[Lease]:
        kept = await self.inner.renew([self.shifted(each, -1) for each in leases], **how)
        return [self.shifted(each, 1) for each in kept]

    async def release(self, leases: Sequence[Lease]) -> None:
        await self.inner.release([self.shifted(each, -1) for each in leases])


class MovesRenumbered(Around):
    """Moves and divides the partitions of `Renumbers`."""

    def __init__(self, inner: Any, store: Renumbers) -> None:
        super().__init__(inner)
        self._store = store

    async def advance(self, subscription: str, *, lease: Lease | None = None, **move: Any) -> None:
        await self.inner.advance(subscription, lease=lease and self._store.shifted(lease, -1), **move)

    async def divide(self, subscription: str, checkpoints: Sequence[Checkpoint], *, leases: Sequence[Lease]) -> None:
        salt = self._store.salt % len(checkpoints)
        shifted = [*checkpoints[salt:], *checkpoints[:salt]]
        await self.inner.divide(subscription, shifted, leases=[self._store.shifted(each, -1) for each in leases])


class KeepsPartitions(BrokenStore):
    """Still finds partitions that are no more since a subscription has fewer."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner, lambda transaction, *_: transaction)
        self._known: dict[str, list[Partition]] = {}

    async def partitions(self, subscription: str) -> Sequence[Partition]:
        found = list(await self.inner.partitions(subscription))
        known = self._known[subscription] = [*found, *self._known.get(subscription, [])[len(found) :]]
        return known


class Divides(Around):
    """Writes other checkpoints when a subscription is divided.

    Args:
        inner: the transaction.
        store: its store.
        change: what is written of a checkpoint, given the head of the log.
        anew: leave those alone with which a subscription begins.
    """

    def __init__(self, inner: Any, store: Any, change: Callable[[Checkpoint, Any], Checkpoint], anew: bool) -> None:
        super().__init__(inner)
        self._store = store
        self._change = change
        self._anew = anew

    async def divide(self, subscription: str, checkpoints: Sequence[Checkpoint], *, leases: Sequence[Lease]) -> None:
        if leases or not self._anew:
            head = await self._store.log.head()
            checkpoints = [self._change(each, head) for each in checkpoints]
        await self.inner.divide(subscription, checkpoints, leases=leases)


class DropsWhenDividing(Around):
    """Forgets parked events when a subscription is divided anew."""

    def __init__(self, inner: Any, store: Any, _read_only: bool) -> None:
        super().__init__(inner)
        self._store = store

    async def divide(self, subscription: str, checkpoints: Sequence[Checkpoint], *, leases: Sequence[Lease]) -> None:
        await self.inner.divide(subscription, checkpoints, leases=leases)
        parked = await self._store.read_parked(subscription)
        await self.inner.unpark(subscription, [each.event.position for each in parked])


def dividing(change: Callable[[Checkpoint, Any], Checkpoint], *, anew: bool = True) -> Break:
    """Break the checkpoints that a subscription is divided into; `anew` leaves its very first ones alone."""
    return break_transaction(lambda transaction, store, _: Divides(transaction, store, change, anew))
