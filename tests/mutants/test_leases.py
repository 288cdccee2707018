"""Stores whose partitions and leases are broken."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any

from tests.mutants.combinators import changing, changing_result, for_each, instead
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.leases import (
    counting_one,
    dividing_anyway,
    endless,
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
from twofold.ports import ReadStore
from twofold.testing.conformance import LeaseSuite


async def _retry_all(store: ReadStore, parked: Any, subscription: str, key: str, *, at: datetime) -> Any:
    for each in await store.parked.read(subscription, key=key):
        await parked.update(subscription, each._replace(again=at))
    return await parked.retry(subscription, key, at=at)


MUTANTS: Mutants = {
    "test_a_partition_is_claimed_once": {
        "a held partition is claimed": robbing,
        "the limit is ignored": leasing(changing("claim", limit=lambda limit: limit + 1)),
        "the owner is not known": forgetting_owners,
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
    "test_parked_events_are_forgotten": {"parked events stay": keeping_parked},
    "test_held_keys_are_known": {
        "keys that wait are not known": at(
            "parked",
            changing_result(
                "retries", to=lambda found: {key: time for key, time in found.items() if time <= datetime.now(UTC)}
            ),
        )
    },
    "test_a_retry_is_asked_for": {
        "nobody notes a retry": noting_no_retry,
        "a retry concerns every event": for_each(lambda store: parking(instead(retry=partial(_retry_all, store)))),
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
