"""Stores whose partitions and leases are broken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from twofold.ports import Lease

from .broken import Around, break_store, break_transaction
from .mutant import Mutant

LONG = 60.0


async def now(store: Any, subscription: str) -> list[Lease]:
    """Return leases that are worth something at the moment, whoever holds them."""
    return [Lease(subscription, each.number, each.generation) for each in await store.partitions(subscription)]


class Robs(Around):
    """Gives away what others hold."""

    async def claim(self, subscription: str, owner: str, **how: Any) -> Any:
        await self.inner.renew(await now(self.inner, subscription), seconds=0.0)
        return await self.inner.claim(subscription, owner, **how)


class NoLimit(Around):
    """Gives more than was asked for."""

    async def claim(self, subscription: str, owner: str, *, seconds: float, limit: int) -> Any:
        return await self.inner.claim(subscription, owner, seconds=seconds, limit=limit + 1)


class SameGeneration(Around):
    """Hands a partition on without counting up."""

    async def claim(self, subscription: str, owner: str, **how: Any) -> Any:
        leases = await self.inner.claim(subscription, owner, **how)
        return [lease._replace(generation=lease.generation - 1) for lease in leases]


class Endless(Around):
    """Lets no lease end."""

    async def renew(self, leases: Sequence[Lease], *, seconds: float) -> Any:
        return await self.inner.renew(leases, seconds=max(seconds, LONG))


class RenewsLost(Around):
    """Says that every lease still holds."""

    async def renew(self, leases: Sequence[Lease], *, seconds: float) -> Any:
        await self.inner.renew(leases, seconds=seconds)
        return leases


class ReleasesOthers(Around):
    """Gives back whatever holds the partition now."""

    async def release(self, leases: Sequence[Lease]) -> None:
        for lease in leases:
            held = await now(self.inner, lease.subscription)
            await self.inner.release([each for each in held if each.partition == lease.partition])


class HighestCounts(Around):
    """Says that a subscription is as far as its fastest partition."""

    async def checkpoint(self, subscription: str) -> Any:
        found = await self.inner.partitions(subscription)
        return max((each.checkpoint for each in found), key=lambda each: each.position, default=None)


class CountsOne(Around):
    """Counts no other worker."""

    async def attend(self, subscription: str, owner: str, **how: Any) -> int:
        await self.inner.attend(subscription, owner, **how)
        return 1


class ForgetsOwner(Around):
    """Does not say who holds a partition."""

    async def partitions(self, subscription: str) -> Any:
        return [each._replace(owner=None) for each in await self.inner.partitions(subscription)]


class Step(Around):
    """A transaction that can ask its store."""

    def __init__(self, inner: Any, store: Any, _read_only: bool) -> None:
        super().__init__(inner)
        self.store = store


class Unfenced(Step):
    """Moves a partition with a lease that was lost."""

    async def advance(self, subscription: str, *, lease: Lease | None = None, **checkpoints: Any) -> None:
        if lease is not None:
            lease = (await now(self.store, subscription))[lease.partition]
        await self.inner.advance(subscription, lease=lease, **checkpoints)


class FirstPartition(Step):
    """Moves the first partition, whatever the lease says."""

    async def advance(self, subscription: str, *, lease: Lease | None = None, **checkpoints: Any) -> None:
        await self.inner.advance(subscription, **checkpoints)


class DividesAnyway(Step):
    """Replaces partitions that others hold."""

    async def divide(self, subscription: str, checkpoints: Any, *, leases: Sequence[Lease]) -> None:
        await self.inner.divide(subscription, checkpoints, leases=await now(self.store, subscription))


class KeepsParked(Step):
    """Forgets no parked event."""

    async def unpark(self, subscription: str, positions: Sequence[Any]) -> int:
        return len(positions)


class OnlyDue(Around):
    """Knows of the keys that are due, and not of those that wait."""

    async def retries(self, subscription: str) -> Any:
        found = await self.inner.retries(subscription)
        return {key: time for key, time in found.items() if time <= datetime.now(UTC)}


class AsksNothing(Step):
    """Does not note that a key is to be tried."""

    async def ask_retry(self, subscription: str, key: str, *, at: datetime) -> bool:
        return bool(await self.store.read_parked(subscription, key=key))


class AsksForAll(Step):
    """Lets every event of a key be tried, and not the first."""

    async def ask_retry(self, subscription: str, key: str, *, at: datetime) -> bool:
        for each in await self.store.read_parked(subscription, key=key):
            await self.inner.blame(subscription, each._replace(again=at))
        return bool(await self.inner.ask_retry(subscription, key, at=at))


class TriesAlways(Step):
    """Keeps the time of the last try when there is no further one."""

    async def blame(self, subscription: str, parked: Any) -> None:
        await self.inner.blame(subscription, parked._replace(again=parked.again or parked.time))


class OldReason(Step):
    """Loses why an event failed again."""

    async def blame(self, subscription: str, parked: Any) -> None:
        return None


def _store(name: str, killed_by: str, part: Callable[[Any], Any]) -> Mutant:
    return Mutant(name, killed_by, break_store(part))


def _step(name: str, killed_by: str, part: Callable[[Any, Any, bool], Any]) -> Mutant:
    return Mutant(name, killed_by, break_transaction(part))


LEASES = (
    _store("a held partition is claimed", "test_a_partition_is_claimed_once", Robs),
    _store("the limit is ignored", "test_a_partition_is_claimed_once", NoLimit),
    _store("the owner is not known", "test_a_partition_is_claimed_once", ForgetsOwner),
    _store("the generation stays", "test_a_lost_lease_moves_nothing", SameGeneration),
    _store("leases never end", "test_a_lease_ends_by_itself", Endless),
    _store("a lost lease is renewed", "test_a_lease_is_renewed", RenewsLost),
    _store("a lost lease is released", "test_a_released_partition_is_free", ReleasesOthers),
    _store("the fastest partition counts", "test_the_lowest_partition_counts", HighestCounts),
    _store("other workers are not counted", "test_workers_are_counted", CountsOne),
    _step("a lost lease moves its partition", "test_a_lost_lease_moves_nothing", Unfenced),
    _step("a lease moves the first partition", "test_a_lease_moves_its_partition_only", FirstPartition),
    _step("partitions of others are replaced", "test_dividing_needs_every_partition", DividesAnyway),
    _step("parked events stay", "test_parked_events_are_forgotten", KeepsParked),
    _store("keys that wait are not known", "test_held_keys_are_known", OnlyDue),
    _step("nobody notes a retry", "test_a_retry_is_asked_for", AsksNothing),
    _step("a retry concerns every event", "test_a_retry_is_asked_for", AsksForAll),
    _step("there is always a next try", "test_a_new_reason", TriesAlways),
    _step("the old reason stays", "test_a_new_reason", OldReason),
)
"""Each is killed by the named test of `LeaseSuite`."""
