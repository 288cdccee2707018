"""Stores on which several workers get in each other's way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from tests.mutants.checkpoints import moving
from tests.mutants.combinators import Wrap, both, changing, changing_result, for_each, ignoring, instead, replacing
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.leases import (
    LONG,
    counting_one,
    dividing,
    dividing_anyway,
    dropping_when_dividing,
    endless,
    forgetting_owners,
    leasing,
    moving_the_first,
    now,
    releasing_for_others,
    renewing_lost,
    robbing,
    showing_no_pause,
    unfenced,
)
from tests.mutants.parked import keeping_parked, knowing_no_keys, losing_reasons, noting_no_retry, parking, removing_all
from tests.mutants.places import at
from tests.mutants.rows import guard
from twofold.ports import START, Checkpoint, Lease, Partition, ReadStore, SubscriptionStore
from twofold.testing.conformance import WorkerSuite
from twofold.testing.conformance._tools.proxy import Proxy


async def _hand_out_twice(
    subscriptions: SubscriptionStore, subscription: str, owner: str, *, limit: int, **how: Any
) -> Any:
    """Grant leases that other workers hold, with the same generation."""
    leases = await subscriptions.claim(subscription, owner, limit=limit, **how)
    return [*leases, *await now(subscriptions, subscription)][:limit]


async def _renew_nothing(_: Any, leases: Sequence[Lease], *, seconds: float) -> Any:
    return leases


async def _renew_for_others(subscriptions: SubscriptionStore, leases: Sequence[Lease], *, seconds: float) -> Any:
    for lease in leases:
        held = await now(subscriptions, lease.subscription)
        await subscriptions.renew([each for each in held if each.partition == lease.partition], seconds=seconds)
    return leases


async def _keep_the_retried(store: ReadStore, parked: Any, subscription: str, positions: Sequence[Any]) -> int:
    """Withdraw the wish to try an event again, and not the event."""
    for each in await store.parked.read(subscription):
        if each.event.position in positions:
            await parked.update(subscription, each._replace(again=None))
    return len(positions)


def _all_at_the_highest(found: Sequence[Partition]) -> Sequence[Partition]:
    highest = max((each.checkpoint for each in found), key=lambda each: each.position, default=None)
    return [each if highest is None else each._replace(checkpoint=highest) for each in found]


class KeepsPartitions(Proxy):
    """Still finds partitions that are no more since a subscription has fewer."""

    def __init__(self, inner: SubscriptionStore) -> None:
        super().__init__(inner)
        self._known: dict[str, list[Partition]] = {}

    async def partitions(self, subscription: str) -> Sequence[Partition]:
        found = list(await self.inner.partitions(subscription))
        known = self._known[subscription] = [*found, *self._known.get(subscription, [])[len(found) :]]
        return known


class Renumbers:
    """Numbers the partitions from another one on each time a store is opened, as a salted hash would."""

    def __init__(self) -> None:
        self._salt = 0
        self._counts: dict[str, int] = {}

    async def open(self, store: ReadStore, views: Sequence[Any]) -> None:
        """Choose another salt."""
        await store.open(views)
        self._salt += 1

    async def partitions(self, subscriptions: SubscriptionStore, subscription: str) -> Sequence[Partition]:
        """Return the partitions as workers know them."""
        found = await subscriptions.partitions(subscription)
        count = self._counts[subscription] = len(found)
        shifted = [each._replace(number=(each.number + self._salt) % count) for each in found]
        return sorted(shifted, key=lambda each: each.number)

    async def claim(self, subscriptions: SubscriptionStore, subscription: str, *args: Any, **how: Any) -> Any:
        """Return leases as workers know them."""
        await self.partitions(subscriptions, subscription)
        return [self._shifted(each, 1) for each in await subscriptions.claim(subscription, *args, **how)]

    async def renew(self, subscriptions: SubscriptionStore, leases: Sequence[Lease], **how: Any) -> Any:
        """Renew leases as they are."""
        kept = await subscriptions.renew([self._shifted(each, -1) for each in leases], **how)
        return [self._shifted(each, 1) for each in kept]

    async def release(self, subscriptions: SubscriptionStore, leases: Sequence[Lease]) -> None:
        """Release leases as they are."""
        await subscriptions.release([self._shifted(each, -1) for each in leases])

    async def advance(self, part: Any, subscription: str, *, lease: Lease | None = None, **move: Any) -> None:
        """Move the original partition."""
        await part.advance(subscription, lease=lease and self._shifted(lease, -1), **move)

    async def divide(
        self, part: Any, subscription: str, checkpoints: Sequence[Checkpoint], *, leases: Sequence[Lease]
    ) -> None:
        """Divide the partitions as they are."""
        salt = self._salt % len(checkpoints)
        shifted = [*checkpoints[salt:], *checkpoints[:salt]]
        await part.divide(subscription, shifted, leases=[self._shifted(each, -1) for each in leases])

    def _shifted(self, lease: Lease, sign: int) -> Lease:
        """Return a lease with the number that workers see (1), or with the original number (-1)."""
        count = max(self._counts.get(lease.subscription, 1), 1)
        return lease._replace(partition=(lease.partition + sign * self._salt) % count)


def _renumbering(_: ReadStore) -> Wrap:
    salted = Renumbers()
    return both(
        instead(open=salted.open),
        leasing(instead(partitions=salted.partitions, claim=salted.claim, renew=salted.renew, release=salted.release)),
        at("transaction.checkpoints", instead(advance=salted.advance, divide=salted.divide)),
    )


MUTANTS: Mutants = {
    "test_one_works_and_the_other_stands_by": {
        "a lease is handed out twice": leasing(instead(claim=_hand_out_twice)),
        "a partition that was given back is not free": leasing(ignoring("release")),
    },
    "test_workers_that_start_concurrently_create_one_checkpoint": {"a subscription is begun twice": dividing_anyway},
    "test_another_worker_takes_over_from_a_dead_worker": {
        "leases never end": both(endless, leasing(changing("claim", seconds=lambda seconds: max(seconds, LONG)))),
        "the owner is not known": forgetting_owners,
    },
    "test_a_worker_that_lost_its_partition_writes_nothing": {
        "the generation is ignored": unfenced,
        "a lost lease is released": releasing_for_others,
    },
    "test_an_idle_worker_notices_that_it_lost_its_partition": {
        "a lost lease is renewed": renewing_lost,
        "what another has claimed is renewed": leasing(instead(renew=_renew_for_others)),
    },
    "test_a_slow_handler_does_not_lose_its_lease": {
        "a held partition is claimed": robbing,
        "leases are not renewed": leasing(instead(renew=_renew_nothing)),
    },
    "test_partitions_share_the_keys": {"a lease moves the first partition": moving_the_first},
    "test_a_key_falls_to_the_same_partition_everywhere": {
        "partitions are numbered otherwise elsewhere": for_each(_renumbering),
    },
    "test_two_workers_share_the_partitions": {"other workers are not counted": counting_one},
    "test_a_worker_that_left_has_no_share": {
        "workers that left are counted": leasing(replacing("attend", seconds=LONG))
    },
    "test_more_and_fewer_partitions": {
        "old partitions stay": leasing(KeepsPartitions),
        "new partitions begin at the head": dividing(lambda checkpoint, head: replace(checkpoint, position=head)),
    },
    "test_partitions_at_different_positions_are_divided_again": {
        "a partition that is behind is taken for the fastest": leasing(
            changing_result("partitions", to=_all_at_the_highest)
        )
    },
    "test_an_event_handler_that_is_divided_keeps_its_mark": {
        "the checkpoint is forgotten when dividing": dividing(
            lambda checkpoint, _: replace(checkpoint, position=START)
        ),
        "a new subscription begins at 0": dividing(
            lambda checkpoint, _: replace(checkpoint, position=START), anew=False
        ),
    },
    "test_parked_keys_move_with_their_partition": {
        "the number of parked events is forgotten when dividing": dividing(
            lambda checkpoint, _: replace(checkpoint, parked=0)
        ),
        "parked events are forgotten when dividing": dropping_when_dividing,
        "parked keys are forgotten": knowing_no_keys,
    },
    "test_a_retry_replays_in_order": {
        "the old reason stays": losing_reasons,
        "parked events stay": keeping_parked,
        "nobody notes a retry": noting_no_retry,
    },
    "test_a_retry_counts_in_rows_that_others_changed": {
        "the same position is ignored": guard(lambda new, old, _: new > old)
    },
    "test_of_two_retries_one_runs": {
        "a retried event stays parked": for_each(
            lambda store: parking(instead(remove=partial(_keep_the_retried, store)))
        )
    },
    "test_any_process_knows_the_workers": {
        "workers are not known": leasing(
            changing_result("partitions", to=lambda found: [each._replace(owner=None) for each in found])
        ),
        "generations are counted from 1": leasing(
            changing_result("partitions", to=lambda found: [each._replace(generation=1) for each in found])
        ),
    },
    "test_a_lag_has_an_age": {
        "a page of one event is empty": at(
            "log",
            changing_result("read_all", to=lambda page: page._replace(events=page.events if page.events[1:] else ())),
        )
    },
    "test_a_paused_subscription_stands_still": {"a pause is not shown": showing_no_pause},
    "test_another_process_pauses": {"a pause is not stored": leasing(ignoring("pause"))},
    "test_a_pause_waits_for_the_current_event": {"owners are not known": forgetting_owners},
    "test_a_query_does_not_wait_for_a_paused_projection": {"a pause is stored nowhere": leasing(ignoring("pause"))},
    "test_a_discarded_key_flows_again": {
        "every key is discarded": removing_all,
        "partitions come in the order of text": leasing(
            changing_result("partitions", to=lambda found: sorted(found, key=lambda each: str(each.number)))
        ),
        "many parked events count as one": moving(
            lambda checkpoint: replace(checkpoint, parked=min(checkpoint.parked, 1))
        ),
    },
}


class TestMutants(MutantSuite):
    """Stores that let workers get in each other's way."""

    suite = WorkerSuite
    mutants = MUTANTS
