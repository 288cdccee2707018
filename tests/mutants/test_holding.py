"""Stores on which held events come too early, too late, in another order or never."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tests.mutants.combinators import Wrap, both, changing, changing_result, for_each, ignoring, instead
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.parked import (
    adding,
    counting_keys_once,
    holding_nothing,
    in_reverse,
    keeping_parked,
    knowing_no_keys,
    noting_no_retry,
    parking,
)
from tests.mutants.places import at
from twofold.ports import ParkedEvent, ReadStore
from twofold.testing.conformance import RebuildSuite, SubscriptionSuite


def due(time: datetime) -> Wrap:
    """Report another time for the next retry of every held key."""
    return at("parked", changing_result("retries", to=lambda found: dict.fromkeys(found, time)))


class ForgetsWaits:
    """Loses, each time a store is opened, when events are to be tried again."""

    def __init__(self) -> None:
        self._parked: set[str] = set()

    async def add(self, parked: Any, subscription: str, events: Sequence[ParkedEvent]) -> None:
        """Note which subscriptions park events."""
        self._parked.add(subscription)
        await parked.add(subscription, events)

    async def open(self, store: Any, views: Sequence[Any]) -> None:
        """Forget the times."""
        await store.open(views)
        for subscription in sorted(self._parked):
            transaction = await store.begin()
            try:
                for each in await store.parked.read(subscription):
                    await transaction.parked.update(subscription, each._replace(again=None))
                await transaction.commit()
            finally:
                await transaction.rollback()


def _forgetting_waits(_: ReadStore) -> Wrap:
    forgets = ForgetsWaits()
    return both(instead(open=forgets.open), parking(instead(add=forgets.add)))


MUTANTS: Mutants = {
    "test_other_keys_flow_while_a_failing_event_waits": {
        "the next try is lost": adding(lambda parked: parked._replace(again=None))
    },
    "test_a_held_event_is_tried_in_its_time_and_what_follows_comes_in_order": {
        "held keys are not known": holding_nothing,
        "no time ever comes": due(datetime.max.replace(tzinfo=UTC)),
        "what follows is replayed in reverse": in_reverse,
        "what follows is tried by itself": adding(lambda parked: parked._replace(again=parked.again or parked.time)),
    },
    "test_a_held_key_is_tried_on_request": {
        "tries are not counted": parking(changing("update", parked=lambda parked: parked._replace(attempts=1))),
        "requests are not heard": noting_no_retry,
    },
    "test_when_the_attempts_are_used_up_the_event_is_parked": {"one event of each key counts": counting_keys_once},
    "test_a_wait_survives_a_restart": {
        "waits are forgotten": for_each(_forgetting_waits),
        "every time has come": due(datetime.min.replace(tzinfo=UTC)),
        "held keys are forgotten": knowing_no_keys,
    },
    "test_a_wait_moves_with_its_partition": {
        "new partitions hold nothing": at(
            "transaction.checkpoints",
            changing("divide", checkpoints=lambda checkpoints: [replace(each, parked=0) for each in checkpoints]),
        )
    },
    "test_a_crash_in_a_retry_loses_nothing": {"what follows is left behind": noting_no_retry},
    "test_a_held_key_is_discarded": {"held events stay": keeping_parked},
}

REBUILDS: Mutants = {
    "test_held_events_are_waited_for": {"held events come after the swap": holding_nothing},
    "test_what_the_old_rows_waited_for_is_dropped": {"old waits stay": parking(ignoring("adopt"))},
}


class TestMutants(MutantSuite):
    """Stores on which held events go wrong."""

    suite = SubscriptionSuite
    mutants = MUTANTS


class TestRebuildMutants(MutantSuite):
    """Stores on which a rebuild goes wrong with held events."""

    suite = RebuildSuite
    mutants = REBUILDS
