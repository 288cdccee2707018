"""Stores that lose the pauses of subscriptions, or mix them up."""

from __future__ import annotations

from typing import Any

from tests.mutants.combinators import changing, changing_result, for_each, ignoring, instead
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.leases import leasing, showing_no_pause
from tests.mutants.places import unbroken_read_store
from tests.stores import READ_STORES
from twofold.ports import Pause, SubscriptionStore
from twofold.testing.conformance import PauseSuite


async def _replace(subscriptions: SubscriptionStore, subscription: str, pause: Pause) -> None:
    await subscriptions.resume(subscription)
    await subscriptions.pause(subscription, pause)


async def _pause_what_is_there(subscriptions: SubscriptionStore, subscription: str, pause: Pause) -> None:
    if await subscriptions.partitions(subscription):
        await subscriptions.pause(subscription, pause)


def _forgetting(names: dict[str, int]) -> Any:
    """Show a pause only while the subscription has the partitions that it had at first."""

    async def partitions(subscriptions: SubscriptionStore, subscription: str) -> Any:
        found = await subscriptions.partitions(subscription)
        if found and names.setdefault(subscription, len(found)) != len(found):
            return [each._replace(pause=None) for each in found]
        return found

    return instead(partitions=partitions)


MUTANTS: Mutants = {
    "test_a_pause_is_stored_until_resumed": {
        "a pause is not shown": showing_no_pause,
        "a subscription is never resumed": leasing(ignoring("resume")),
        "the reason is cut": leasing(changing("pause", pause=lambda pause: Pause(pause.since, pause.reason[:255]))),
        "the time is rounded": leasing(
            changing("pause", pause=lambda pause: pause._replace(since=pause.since.replace(microsecond=0)))
        ),
        "only the first partition shows the pause": leasing(
            changing_result("partitions", to=lambda found: [*found[:1], *(e._replace(pause=None) for e in found[1:])])
        ),
    },
    "test_the_first_pause_stays": {"a later pause replaces an earlier one": leasing(instead(pause=_replace))},
    "test_a_pause_outlives_the_partitions": {
        "a subscription without partitions cannot be paused": leasing(instead(pause=_pause_what_is_there)),
        "a pause without partitions is not shown": leasing(ignoring("paused")),
        "a division ends the pause": for_each(lambda _: leasing(_forgetting({}))),
    },
    "test_one_subscription_is_paused": {
        "case is ignored": leasing(
            instead(
                pause=lambda inner, name, pause: inner.pause(name.lower(), pause),
                resume=lambda inner, name: inner.resume(name.lower()),
            )
        ),
    },
}


class TestMutants(MutantSuite):
    """Broken pauses."""

    suite = PauseSuite
    mutants = MUTANTS
    kinds = READ_STORES
    unbroken = staticmethod(unbroken_read_store)
