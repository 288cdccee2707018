"""Partitions of subscriptions and their leases."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from twofold.ports import Checkpoint, Lease, Partition, Pause

from ._checkpoints import StoredPartition, partitions_of
from ._overlay import Overlay, changing
from ._tables import ATTENDING, GONE, PARTITIONS, PAUSES, Tables


class InMemorySubscriptions:
    """A `SubscriptionStore`.

    Args:
        tables: the committed data.
        seconds: returns a time that never goes back, in seconds.
    """

    def __init__(self, tables: Tables, seconds: Callable[[], float]) -> None:
        self._tables = tables
        self._seconds = seconds

    async def checkpoint(self, subscription: str) -> Checkpoint | None:
        """Return the lowest committed checkpoint, or None when the subscription never ran here."""
        found = [stored.checkpoint for stored in partitions_of(Overlay(self._tables), subscription).values()]
        if not found:
            return None
        lowest = min(found, key=lambda checkpoint: checkpoint.position)
        return replace(lowest, parked=sum(each.parked for each in found))

    async def partitions(self, subscription: str) -> Sequence[Partition]:
        """Return the partitions by their numbers."""
        now, overlay = self._seconds(), Overlay(self._tables)
        pause: Pause | None = overlay.get(PAUSES, subscription)
        return [
            Partition(number, stored.checkpoint, stored.generation, stored.owner if stored.until > now else None, pause)
            for number, stored in partitions_of(overlay, subscription).items()
        ]

    async def claim(
        self, subscription: str, owner: str, *, seconds: float, limit: int, force: bool = False
    ) -> Sequence[Lease]:
        """Lease partitions that no worker holds, or all."""
        leases: list[Lease] = []
        async with changing(self._tables) as overlay:
            now = self._seconds()
            for number, stored in partitions_of(overlay, subscription).items():
                if (force or stored.until <= now) and len(leases) < limit:
                    generation = max(stored.generation + 1, time.time_ns() // 1000)
                    lease = Lease(subscription, number, generation)
                    claimed = StoredPartition(stored.checkpoint, lease.generation, owner, now + seconds)
                    overlay.put(PARTITIONS, (subscription, number), claimed)
                    leases.append(lease)
        return leases

    async def renew(self, leases: Sequence[Lease], *, seconds: float) -> Sequence[Lease]:
        """Extend leases; return those that are still valid."""
        async with changing(self._tables) as overlay:
            return [lease for lease in leases if _extend(overlay, lease, self._seconds() + seconds)]

    async def release(self, leases: Sequence[Lease]) -> None:
        """End leases."""
        async with changing(self._tables) as overlay:
            for lease in leases:
                _extend(overlay, lease, 0.0)

    async def attend(self, subscription: str, owner: str, *, seconds: float) -> int:
        """Register a worker; return the number of registered workers."""
        async with changing(self._tables) as overlay:
            now = self._seconds()
            overlay.put(ATTENDING, (subscription, owner), now + seconds)
            return sum(name == subscription and until > now for (name, _), until in overlay.items(ATTENDING))

    async def paused(self, subscription: str) -> Pause | None:
        """Return the pause of a subscription, or None."""
        pause: Pause | None = Overlay(self._tables).get(PAUSES, subscription)
        return pause

    async def pause(self, subscription: str, pause: Pause) -> None:
        """Record a pause, unless there is one."""
        async with changing(self._tables) as overlay:
            if overlay.get(PAUSES, subscription) is None:
                overlay.put(PAUSES, subscription, pause)

    async def resume(self, subscription: str) -> None:
        """Delete the record of a pause."""
        async with changing(self._tables) as overlay:
            overlay.put(PAUSES, subscription, GONE)


def _extend(overlay: Overlay, lease: Lease, until: float) -> bool:
    key = lease.subscription, lease.partition
    stored: StoredPartition | None = overlay.get(PARTITIONS, key)
    if stored is None or stored.generation != lease.generation:
        return False
    overlay.put(PARTITIONS, key, stored._replace(until=until))
    return True
