"""Partitions of subscriptions and their leases."""

from __future__ import annotations

import time
from collections.abc import Sequence

from twofold.ports import Checkpoint, Lease, Partition

from ._checkpoints import StoredPartition, partitions_of
from ._overlay import Overlay, changing
from ._tables import ATTENDING, PARTITIONS, Tables


class InMemorySubscriptions:
    """A `SubscriptionStore`.

    Args:
        tables: the committed data.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def checkpoint(self, subscription: str) -> Checkpoint | None:
        """Return the lowest committed checkpoint, or None when the subscription never ran here."""
        found = [stored.checkpoint for stored in partitions_of(Overlay(self._tables), subscription).values()]
        if not found:
            return None
        lowest = min(found, key=lambda checkpoint: checkpoint.position)
        return Checkpoint(lowest.position, lowest.log, sum(each.parked for each in found))

    async def partitions(self, subscription: str) -> Sequence[Partition]:
        """Return the partitions by their numbers."""
        now = time.monotonic()
        return [
            Partition(number, stored.checkpoint, stored.generation, stored.owner if stored.until > now else None)
            for number, stored in partitions_of(Overlay(self._tables), subscription).items()
        ]

    async def claim(
        self, subscription: str, owner: str, *, seconds: float, limit: int, force: bool = False
    ) -> Sequence[Lease]:
        """Lease partitions that no worker holds, or all."""
        leases: list[Lease] = []
        async with changing(self._tables) as overlay:
            now = time.monotonic()
            for number, stored in partitions_of(overlay, subscription).items():
                if (force or stored.until <= now) and len(leases) < limit:
                    lease = Lease(subscription, number, stored.generation + 1)
                    claimed = StoredPartition(stored.checkpoint, lease.generation, owner, now + seconds)
                    overlay.put(PARTITIONS, (subscription, number), claimed)
                    leases.append(lease)
        return leases

    async def renew(self, leases: Sequence[Lease], *, seconds: float) -> Sequence[Lease]:
        """Extend leases; return those that are still valid."""
        async with changing(self._tables) as overlay:
            return [lease for lease in leases if _extend(overlay, lease, time.monotonic() + seconds)]

    async def release(self, leases: Sequence[Lease]) -> None:
        """End leases."""
        async with changing(self._tables) as overlay:
            for lease in leases:
                _extend(overlay, lease, 0.0)

    async def attend(self, subscription: str, owner: str, *, seconds: float) -> int:
        """Register a worker; return the number of registered workers."""
        async with changing(self._tables) as overlay:
            now = time.monotonic()
            overlay.put(ATTENDING, (subscription, owner), now + seconds)
            return sum(name == subscription and until > now for (name, _), until in overlay.items(ATTENDING))


def _extend(overlay: Overlay, lease: Lease, until: float) -> bool:
    key = lease.subscription, lease.partition
    stored: StoredPartition | None = overlay.get(PARTITIONS, key)
    if stored is None or stored.generation != lease.generation:
        return False
    overlay.put(PARTITIONS, key, stored._replace(until=until))
    return True
