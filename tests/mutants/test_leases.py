"""Stores whose partitions and leases are broken."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import Any

from tests.mutants.combinators import changing, changing_result, for_each, instead
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.leases import (
    claiming_what_was_free,
    counting_one,
    dividing,
    dividing_anyway,
    endless,
    expiring_early,
    expiring_late,
    forgetting_owners,
    highest_counts,
    leasing,
    moving_the_first,
    releasing_for_others,
    renewing_lost,
    robbing,
    unfenced,
)
from tests.mutants.parked import keeping_parked, losing_reasons, noting_no_retry, parking
from tests.mutants.places import at, unbroken_read_store
from tests.stores import READ_STORES
from twofold.ports import ParkedEvent, ReadStore
from twofold.testing.conformance import LeaseSuite


async def _retry_all(store: ReadStore, parked: Any, subscription: str, key: str, *, at: datetime) -> Any:
    for each in await store.parked.read(subscription, key=key):
        await parked.update(subscription, each._replace(again=at))
    return await parked.retry(subscription, key, at=at)


async def _keep_the_payload(store: ReadStore, parked: Any, subscription: str, to: ParkedEvent) -> None:
    before = {each.event.position: each.event for each in await store.parked.read(subscription)}
    await parked.update(subscription, to._replace(event=before[to.event.position]))


MUTANTS: Mutants = {
    "test_a_partition_is_claimed_once": {
        "a held partition is claimed": robbing,
        "the limit is ignored": leasing(changing("claim", limit=lambda limit: limit + 1)),
        "the owner is not known": forgetting_owners,
    },
    "test_contents_stay_with_the_checkpoint": {
        "contents are lost": dividing(lambda checkpoint, _: replace(checkpoint, contents=""), anew=False)
    },
    "test_generations_follow_the_clock": {
        "generations are counted": leasing(
            changing_result(
                "claim", to=lambda leases: [each._replace(generation=number) for number, each in enumerate(leases)]
            )
        ),
        "the clock has another time zone": changing_result(
            "now", to=lambda time: time.astimezone(timezone(timedelta(hours=1)))
        ),
    },
    "test_wrong_clocks_of_processes_do_not_matter": {
        "a process whose clock is ahead takes a live lease": expiring_early,
        "a process whose clock is behind keeps an expired lease": expiring_late,
    },
    "test_processes_with_wrong_clocks_claim_at_the_same_time": {
        "of concurrent processes, one takes a live lease": expiring_early,
    },
    "test_one_of_several_concurrent_claims_succeeds": {
        "what was free is claimed by several workers": claiming_what_was_free,
    },
    "test_a_lost_lease_moves_nothing": {
        "the generation stays": leasing(
            changing_result(
                "claim", to=lambda leases: [each._replace(generation=each.generation - 1) for each in leases]
            )
        ),
        "a lost lease moves its partition": unfenced,
    },
    "test_a_lease_ends_by_itself": {"leases never end": endless},
    "test_a_lease_is_renewed": {"a lost lease is renewed": renewing_lost},
    "test_a_released_partition_is_free": {"a lost lease is released": releasing_for_others},
    "test_the_lowest_partition_counts": {"the fastest partition counts": highest_counts},
    "test_workers_are_counted": {"other workers are not counted": counting_one},
    "test_a_lease_moves_its_partition_only": {"a lease moves the first partition": moving_the_first},
    "test_dividing_needs_every_partition": {"partitions of others are replaced": dividing_anyway},
    "test_parked_events_are_deleted_by_position": {"parked events stay": keeping_parked},
    "test_keys_with_pending_retries_are_known": {
        "keys that wait are not known": at(
            "parked",
            changing_result(
                "retries", to=lambda found: {key: time for key, time in found.items() if time <= datetime.now(UTC)}
            ),
        )
    },
    "test_a_retry_is_requested": {
        "nobody notes a retry": noting_no_retry,
        "a retry concerns every event": for_each(lambda store: parking(instead(retry=partial(_retry_all, store)))),
    },
    "test_an_edited_payload_is_stored": {
        "the payload stays": for_each(lambda store: parking(instead(update=partial(_keep_the_payload, store)))),
        "the record of the edit is lost": parking(changing("update", parked=lambda parked: parked._replace(edit=None))),
    },
    "test_a_new_reason": {
        "there is always a next try": parking(
            changing("update", parked=lambda parked: parked._replace(again=parked.again or parked.time))
        ),
        "the old reason stays": losing_reasons,
    },
}


class TestMutants(MutantSuite):
    """Broken leases."""

    suite = LeaseSuite
    mutants = MUTANTS
    kinds = READ_STORES
    unbroken = staticmethod(unbroken_read_store)
