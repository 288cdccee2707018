"""Partitions, leases and parked events."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from twofold.errors import CheckpointMoved
from twofold.ports import Checkpoint, Lease, ParkedEvent, Partition, Position

from ._tables import ATTENDING, GONE, PARKED, PARTITIONS, Overlay, Tables

if TYPE_CHECKING:
    from ._transaction import InMemoryTransaction


class Kept(NamedTuple):
    """A partition as it is kept; `until` is the end of its lease, by the clock of this process."""

    checkpoint: Checkpoint
    generation: int = 0
    owner: str | None = None
    until: float = 0.0


def partitions_of(overlay: Overlay, subscription: str) -> dict[int, Kept]:
    """Return the partitions of a subscription by their numbers, in order."""
    found = {number: kept for (name, number), kept in overlay.items(PARTITIONS) if name == subscription}
    return dict(sorted(found.items()))


def advance(
    overlay: Overlay, subscription: str, expected: Checkpoint | None, to: Checkpoint, lease: Lease | None
) -> None:
    """Write a checkpoint where the expected one stands; see `SubscriptionTransaction.advance`."""
    key = subscription, lease.partition if lease else 0
    kept: Kept | None = overlay.get(PARTITIONS, key)
    found = kept.checkpoint if kept else None
    if found != expected or (lease and (kept is None or kept.generation != lease.generation)):
        raise CheckpointMoved(
            f"cannot move the checkpoint of {subscription!r}: expected {expected}, found {found}, or its lease was lost."
        )
    overlay.put(PARTITIONS, key, kept._replace(checkpoint=to) if kept else Kept(to))


def divide(overlay: Overlay, subscription: str, checkpoints: Sequence[Checkpoint], leases: Sequence[Lease]) -> None:
    """Replace the partitions; see `SubscriptionTransaction.divide`."""
    there = partitions_of(overlay, subscription)
    if {number: kept.generation for number, kept in there.items()} != {
        each.partition: each.generation for each in leases
    }:
        raise CheckpointMoved(f"cannot divide {subscription!r}: it has other partitions now, or a lease was lost.")
    generation = max((kept.generation for kept in there.values()), default=-1) + 1
    for number in there:
        overlay.put(PARTITIONS, (subscription, number), GONE)
    for number, checkpoint in enumerate(checkpoints):
        overlay.put(PARTITIONS, (subscription, number), Kept(checkpoint, generation))


def parked_of(overlay: Overlay, subscription: str, key: str | None) -> list[ParkedEvent]:
    """Return the parked events of a subscription, of one key or of all."""
    events = [event for (name, _), event in overlay.items(PARKED) if name == subscription]
    return [event for event in events if key is None or event.key == key]


def unpark(overlay: Overlay, subscription: str, positions: Sequence[Position]) -> int:
    """Forget parked events."""
    gone = [event for event in parked_of(overlay, subscription, None) if event.event.position in positions]
    for event in gone:
        overlay.put(PARKED, (subscription, event.event.id), GONE)
    return len(gone)


def ask_retry(overlay: Overlay, subscription: str, key: str, at: datetime) -> bool:
    """Let the first parked event of a key be tried at a time."""
    for first in parked_of(overlay, subscription, key)[:1]:
        overlay.put(PARKED, (subscription, first.event.id), first._replace(again=at))
        return True
    return False


def adopt_parked(overlay: Overlay, subscription: str, of: str) -> None:
    """Let the parked events of another subscription take the place of this one's."""
    unpark(overlay, subscription, [event.event.position for event in parked_of(overlay, subscription, None)])
    for event in parked_of(overlay, of, None):
        overlay.put(PARKED, (of, event.event.id), GONE)
        overlay.put(PARKED, (subscription, event.event.id), event)


class InMemorySubscriptions:
    """What a store answers about subscriptions outside of any transaction.

    Args:
        tables: the committed data.
        begin: begins a transaction.
    """

    def __init__(self, tables: Tables, begin: Callable[[], Awaitable[InMemoryTransaction]]) -> None:
        self._tables = tables
        self._begin = begin

    async def checkpoint(self, subscription: str) -> Checkpoint | None:
        """Return the lowest committed checkpoint, or None when the subscription never ran here."""
        found = [kept.checkpoint for kept in partitions_of(self._now(), subscription).values()]
        if not found:
            return None
        lowest = min(found, key=lambda checkpoint: checkpoint.position)
        return Checkpoint(lowest.position, lowest.log, sum(each.parked for each in found))

    async def partitions(self, subscription: str) -> Sequence[Partition]:
        """Return the partitions in their order."""
        now = time.monotonic()
        return [
            Partition(number, kept.checkpoint, kept.generation, kept.owner if kept.until > now else None)
            for number, kept in partitions_of(self._now(), subscription).items()
        ]

    async def claim(
        self, subscription: str, owner: str, *, seconds: float, limit: int, force: bool = False
    ) -> Sequence[Lease]:
        """Take partitions that nobody holds, or all."""
        leases: list[Lease] = []
        async with await self._begin() as overlay:
            now = time.monotonic()
            for number, kept in partitions_of(overlay, subscription).items():
                if (force or kept.until <= now) and len(leases) < limit:
                    generation = kept.generation + 1
                    overlay.put(
                        PARTITIONS, (subscription, number), Kept(kept.checkpoint, generation, owner, now + seconds)
                    )
                    leases.append(Lease(subscription, number, generation))
        return leases

    async def renew(self, leases: Sequence[Lease], *, seconds: float) -> Sequence[Lease]:
        """Let leases last for so many seconds from now; return those that still hold."""
        async with await self._begin() as overlay:
            return [lease for lease in leases if _hold(overlay, lease, time.monotonic() + seconds)]

    async def release(self, leases: Sequence[Lease]) -> None:
        """Give partitions back."""
        async with await self._begin() as overlay:
            for lease in leases:
                _hold(overlay, lease, 0.0)

    async def attend(self, subscription: str, owner: str, *, seconds: float) -> int:
        """Say that a worker is here; return how many are."""
        async with await self._begin() as overlay:
            now = time.monotonic()
            overlay.put(ATTENDING, (subscription, owner), now + seconds)
            return sum(name == subscription and until > now for (name, _), until in overlay.items(ATTENDING))

    async def parked(self, subscription: str, *, key: str | None = None) -> Sequence[ParkedEvent]:
        """Return the parked events in the order in which they were parked, of one key or of all."""
        return parked_of(self._now(), subscription, key)

    async def parked_keys(self, subscription: str) -> Mapping[str, int]:
        """Return the keys that have a parked event, each with how many."""
        return Counter(event.key for event in await self.parked(subscription))

    async def retries(self, subscription: str) -> Mapping[str, datetime]:
        """Return the keys that are held, each with the time of its next try."""
        return {event.key: event.again for event in await self.parked(subscription) if event.again is not None}

    def _now(self) -> Overlay:
        return Overlay(self._tables, frozen=False)


def _hold(overlay: Overlay, lease: Lease, until: float) -> bool:
    key = lease.subscription, lease.partition
    kept: Kept | None = overlay.get(PARTITIONS, key)
    if kept is None or kept.generation != lease.generation:
        return False
    overlay.put(PARTITIONS, key, kept._replace(until=until))
    return True
