"""Functions that divide a subscription and lease its partitions."""

from __future__ import annotations

from collections.abc import Sequence

from twofold.ports import Checkpoint, Lease, ReadStore

from .._tools.opened import writing
from .subscription_store import NAME

LONG = 60.0
"""Seconds of a lease that outlives every test."""

OVER = 0.0
"""Seconds of a lease that expires immediately."""


async def divided(store: ReadStore, *checkpoints: Checkpoint, leases: Sequence[Lease] = (), of: str = NAME) -> None:
    """Commit partitions."""
    async with writing(store) as transaction:
        await transaction.checkpoints.divide(of, checkpoints, leases=leases)


async def claimed(store: ReadStore, owner: str, *, seconds: float = LONG, limit: int = 9) -> list[int]:
    """Claim partitions and return their numbers."""
    return [lease.partition for lease in await store.subscriptions.claim(NAME, owner, seconds=seconds, limit=limit)]


async def ended(store: ReadStore, *leases: Lease) -> None:
    """Let leases expire now, as if their workers had not renewed them."""
    assert list(await store.subscriptions.renew(leases, seconds=OVER)) == list(leases)
