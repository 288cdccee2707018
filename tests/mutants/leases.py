"""Leases that are granted, extended or ignored wrongly, and subscriptions with wrong partitions."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from tests.mutants.combinators import Wrap, changing, changing_result, for_each, instead, replacing
from tests.mutants.places import at
from twofold.ports import Checkpoint, Lease, Partition, ReadStore, SubscriptionStore
from twofold.testing.conformance._tools.proxy import Proxy

LONG = 60.0


async def now(subscriptions: SubscriptionStore, subscription: str) -> list[Lease]:
    """Return the currently valid leases of all workers."""
    return [Lease(subscription, each.number, each.generation) for each in await subscriptions.partitions(subscription)]


def leasing(broken: Wrap) -> Wrap:
    """Break subscriptions and their leases."""
    return at("subscriptions", broken)


def advancing(function: Callable[..., Any]) -> Wrap:
    """Move checkpoints in another way; the function gets the store and the part first."""
    return for_each(lambda store: at("transaction.checkpoints", instead(advance=partial(function, store))))


def dividing(change: Callable[[Checkpoint, Any], Checkpoint], *, anew: bool = True) -> Wrap:
    """Divide a subscription with changed checkpoints.

    Args:
        change: returns the changed checkpoint, given the original one and the head of the log.
        anew: do not change the first checkpoints of a subscription.
    """

    async def divide(
        store: Any, part: Any, subscription: str, checkpoints: Sequence[Checkpoint], *, leases: Sequence[Lease]
    ) -> None:
        if leases or not anew:
            head = await store.log.head()
            checkpoints = [change(each, head) for each in checkpoints]
        await part.divide(subscription, checkpoints, leases=leases)

    return for_each(lambda store: at("transaction.checkpoints", instead(divide=partial(divide, store))))


async def _rob(subscriptions: SubscriptionStore, subscription: str, owner: str, **how: Any) -> Any:
    await subscriptions.renew(await now(subscriptions, subscription), seconds=0.0)
    return await subscriptions.claim(subscription, owner, **how)


async def _renew_and_return_all(subscriptions: SubscriptionStore, leases: Sequence[Lease], *, seconds: float) -> Any:
    await subscriptions.renew(leases, seconds=seconds)
    return leases


async def _release_for_others(subscriptions: SubscriptionStore, leases: Sequence[Lease]) -> None:
    for lease in leases:
        held = await now(subscriptions, lease.subscription)
        await subscriptions.release([each for each in held if each.partition == lease.partition])


async def _highest(subscriptions: SubscriptionStore, subscription: str) -> Checkpoint | None:
    found = await subscriptions.partitions(subscription)
    return max((each.checkpoint for each in found), key=lambda each: each.position, default=None)


async def _advance_unfenced(
    store: ReadStore, part: Any, subscription: str, *, lease: Lease | None = None, **move: Any
) -> None:
    if lease is not None:
        lease = (await now(store.subscriptions, subscription))[lease.partition]
    await part.advance(subscription, lease=lease, **move)


async def _divide_anyway(
    store: ReadStore, part: Any, subscription: str, checkpoints: Any, *, leases: Sequence[Lease]
) -> None:
    await part.divide(subscription, checkpoints, leases=await now(store.subscriptions, subscription))


async def _divide_and_drop(
    store: ReadStore, transaction: Any, part: Any, subscription: str, checkpoints: Any, **leases: Any
) -> None:
    await part.divide(subscription, checkpoints, **leases)
    parked = await store.parked.read(subscription)
    await transaction.parked.remove(subscription, [each.event.position for each in parked])


def _dropping_when_dividing(store: ReadStore) -> Wrap:
    return at(
        "transaction",
        for_each(lambda transaction: at("checkpoints", instead(divide=partial(_divide_and_drop, store, transaction)))),
    )


class ClaimsWhatWasFree(Proxy):
    """Claims partitions that were free when the first worker looked."""

    _free: bool | None = None

    async def claim(self, subscription: str, owner: str, *, force: bool = False, **how: Any) -> Sequence[Lease]:
        free = not any(each.owner for each in await self.inner.partitions(subscription))
        if self._free is None:  # another worker may have looked meanwhile
            self._free = free
        leases: Sequence[Lease] = await self.inner.claim(subscription, owner, force=force or self._free, **how)
        return leases


class ExpiresByTheProcess(Proxy):
    """Leases that expire by the clock of the process.

    Args:
        inner: the subscriptions.
        early: whether a lease that looks expired is ended.
        late: whether a lease that looks live is extended.
    """

    def __init__(self, inner: Any, *, early: bool = False, late: bool = False) -> None:
        super().__init__(inner)
        self._early, self._late = early, late
        self._until: dict[tuple[str, int], float] = {}

    async def claim(self, subscription: str, owner: str, *, seconds: float, **how: Any) -> Sequence[Lease]:
        for lease in await now(self.inner, subscription):
            until = self._until.get((subscription, lease.partition))
            if until is not None and (self._late if until > time.time() else self._early):
                await self.inner.renew([lease], seconds=LONG if until > time.time() else 0.0)
        return self._extended(await self.inner.claim(subscription, owner, seconds=seconds, **how), seconds)

    async def renew(self, leases: Sequence[Lease], *, seconds: float) -> Sequence[Lease]:
        return self._extended(await self.inner.renew(leases, seconds=seconds), seconds)

    async def release(self, leases: Sequence[Lease]) -> None:
        await self.inner.release(leases)
        self._extended(leases, -math.inf)

    def _extended(self, leases: Sequence[Lease], seconds: float) -> Sequence[Lease]:
        for lease in leases:
            self._until[lease.subscription, lease.partition] = time.time() + seconds
        return leases


def _without_owner(partitions: Sequence[Partition]) -> Sequence[Partition]:
    return [each._replace(owner=None) for each in partitions]


expiring_early = leasing(partial(ExpiresByTheProcess, early=True))
expiring_late = leasing(partial(ExpiresByTheProcess, late=True))
claiming_what_was_free = leasing(ClaimsWhatWasFree)
showing_no_pause = leasing(
    changing_result("partitions", to=lambda found: [each._replace(pause=None) for each in found])
)
robbing = leasing(instead(claim=_rob))
forgetting_owners = leasing(changing_result("partitions", to=_without_owner))
endless = leasing(changing("renew", seconds=lambda seconds: max(seconds, LONG)))
renewing_lost = leasing(instead(renew=_renew_and_return_all))
releasing_for_others = leasing(instead(release=_release_for_others))
highest_counts = leasing(instead(checkpoint=_highest))
counting_one = leasing(changing_result("attend", to=lambda _: 1))
unfenced = advancing(_advance_unfenced)
moving_the_first = at("transaction.checkpoints", replacing("advance", lease=None))
dividing_anyway = for_each(lambda store: at("transaction.checkpoints", instead(divide=partial(_divide_anyway, store))))
dropping_when_dividing = for_each(_dropping_when_dividing)
