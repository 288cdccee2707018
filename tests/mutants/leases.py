"""Leases that are given, kept or ignored wrongly, and subscriptions that are divided wrongly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from tests.mutants.combinators import Wrap, changing, changing_result, for_each, instead, replacing
from tests.mutants.places import at
from twofold.ports import Checkpoint, Lease, Partition, ReadStore, SubscriptionStore

LONG = 60.0


async def now(subscriptions: SubscriptionStore, subscription: str) -> list[Lease]:
    """Return leases that are valid at the moment, whoever holds them."""
    return [Lease(subscription, each.number, each.generation) for each in await subscriptions.partitions(subscription)]


def leasing(broken: Wrap) -> Wrap:
    """Break subscriptions and their leases."""
    return at("subscriptions", broken)


def advancing(function: Callable[..., Any]) -> Wrap:
    """Move checkpoints in another way; the function gets the store and the part first."""
    return for_each(lambda store: at("transaction.checkpoints", instead(advance=partial(function, store))))


def dividing(change: Callable[[Checkpoint, Any], Checkpoint], *, anew: bool = True) -> Wrap:
    """Divide a subscription into other checkpoints.

    Args:
        change: what is written of a checkpoint, given the head of the log.
        anew: leave the very first checkpoints of a subscription alone.
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


def _without_owner(partitions: Sequence[Partition]) -> Sequence[Partition]:
    return [each._replace(owner=None) for each in partitions]


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
