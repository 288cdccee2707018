"""Partitions of subscriptions and their leases: each call is one script, by the clock of Redis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from twofold.ports import Checkpoint, Lease, Partition, Pause

from .._server.keys import Keys
from .._server.scripts import ATTEND, CLAIM, PARTITIONS, RENEW
from .._server.server import Argument, Server
from .checkpoints import checkpoint_of

_MICRO: Final = 1_000_000


class RedisSubscriptions:
    """A `SubscriptionStore`.

    Args:
        server: runs scripts.
        keys: names the keys.
    """

    def __init__(self, server: Server, keys: Keys) -> None:
        self._server = server
        self._keys = keys

    async def checkpoint(self, subscription: str) -> Checkpoint | None:
        """Return the lowest committed checkpoint, or None when the subscription never ran here."""
        found = [partition.checkpoint for partition in await self.partitions(subscription)]
        if not found:
            return None
        lowest = min(found, key=lambda checkpoint: checkpoint.position)
        return replace(lowest, parked=sum(each.parked for each in found))

    async def partitions(self, subscription: str) -> Sequence[Partition]:
        """Return the partitions by their numbers."""
        keys = [self._keys.partitions(subscription), self._keys.pause(subscription)]
        found = await self._server.run(PARTITIONS, keys, [], f"read the partitions of {subscription}")
        return [
            Partition(
                int(number),
                checkpoint_of(place),
                int(generation),
                None if owner is None else owner.decode(),
                None if pause is None else _pause_of(pause),
            )
            for number, place, generation, owner, pause in found
        ]

    async def claim(
        self, subscription: str, owner: str, *, seconds: float, limit: int, force: bool = False
    ) -> Sequence[Lease]:
        """Lease partitions that no worker holds, or all."""
        arguments: list[Argument] = [owner, round(seconds * _MICRO), limit, int(force)]
        key, attempt = self._keys.partitions(subscription), f"claim partitions of {subscription}"
        found = await self._server.run(CLAIM, [key], arguments, attempt)
        return [Lease(subscription, int(number), int(generation)) for number, generation in found]

    async def renew(self, leases: Sequence[Lease], *, seconds: float) -> Sequence[Lease]:
        """Extend leases; return those that are still valid.

        Leases from before a restart or a failover of Redis are not valid.
        """
        return await self._extended(leases, round(seconds * _MICRO), "renew leases")

    async def release(self, leases: Sequence[Lease]) -> None:
        """End leases."""
        await self._extended(leases, "", "release leases")

    async def attend(self, subscription: str, owner: str, *, seconds: float) -> int:
        """Register a worker; return the number of registered workers."""
        key, attempt = self._keys.workers(subscription), f"register a worker of {subscription}"
        return int(await self._server.run(ATTEND, [key], [owner, round(seconds * _MICRO)], attempt))

    async def paused(self, subscription: str) -> Pause | None:
        """Return the pause of a subscription, or None."""
        found = await self._server.command(f"read the pause of {subscription}", "GET", self._keys.pause(subscription))
        return None if found is None else _pause_of(found)

    async def pause(self, subscription: str, pause: Pause) -> None:
        """Record a pause, unless there is one."""
        text = f"{pause.since.isoformat()} {pause.reason}"
        await self._server.command(f"pause {subscription}", "SET", self._keys.pause(subscription), text, "NX")

    async def resume(self, subscription: str) -> None:
        """Delete the record of a pause."""
        await self._server.command(f"resume {subscription}", "DEL", self._keys.pause(subscription))

    async def _extended(self, leases: Sequence[Lease], until: Argument, attempt: str) -> list[Lease]:
        held: list[Lease] = []
        for subscription in dict.fromkeys(lease.subscription for lease in leases):
            mine = [lease for lease in leases if lease.subscription == subscription]
            numbers: list[Argument] = [number for lease in mine for number in (lease.partition, lease.generation)]
            found = await self._server.run(RENEW, [self._keys.partitions(subscription)], [until, *numbers], attempt)
            held += [mine[int(number) - 1] for number in found]
        return held


def _pause_of(stored: bytes) -> Pause:
    since, _, reason = stored.decode().partition(" ")
    return Pause(datetime.fromisoformat(since), reason)
