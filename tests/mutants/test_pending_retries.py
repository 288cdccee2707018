"""Stores that retry events too early, too late, in another order or never."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.mutants.combinators import Wrap, both, changing, changing_result, for_each, ignoring, instead
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.parked import (
    adding,
    counting_keys_once,
    in_reverse,
    keeping_parked,
    knowing_no_keys,
    noting_no_retry,
    parking,
    retrying_nothing,
)
from tests.mutants.places import at
from twofold.ports import ParkedEvent, ReadStore
from twofold.testing.conformance import RebuildSuite, SubscriptionSuite

HOUR = timedelta(hours=1)


def due(time: datetime) -> Wrap:
    """Report another time for the next retry of every key."""
    return at("parked", changing_result("retries", to=lambda found: dict.fromkeys(found, time)))


class ForgetsWaits:
    """Loses the times of pending retries whenever a store is opened."""

    def __init__(self) -> None:
        self._parked: set[str] = set()

    async def add(self, parked: Any, subscription: str, events: Sequence[ParkedEvent]) -> None:
        """Record which subscriptions park events."""
        self._parked.add(subscription)
        await parked.add(subscription, events)

    async def open(self, store: Any, views: Sequence[Any]) -> None:
        """Drop the times."""
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
    "test_other_keys_continue_while_a_retry_is_pending": {
        "the next retry is lost": adding(lambda parked: parked._replace(again=None))
    },
    "test_a_retry_is_not_early_for_a_process_whose_clock_is_ahead": {
        "a retry is always due": due(datetime.min.replace(tzinfo=UTC)),
        "retries are planned too early": adding(
            lambda parked: parked._replace(again=parked.again and parked.again - HOUR)
        ),
    },
    "test_a_retry_is_not_late_for_a_process_whose_clock_is_behind": {
        "a retry is never due": due(datetime.max.replace(tzinfo=UTC))
    },
    "test_a_pending_event_is_retried_at_its_time_and_others_follow": {
        "pending retries are not known": retrying_nothing,
        "no time ever comes": due(datetime.max.replace(tzinfo=UTC)),
        "what follows is replayed in reverse": in_reverse,
        "what follows is tried by itself": adding(lambda parked: parked._replace(again=parked.again or parked.time)),
    },
    "test_a_pending_event_is_retried_on_request": {
        "attempts are not counted": parking(changing("update", parked=lambda parked: parked._replace(attempts=1))),
        "requests are not recorded": noting_no_retry,
    },
    "test_an_event_without_attempts_left_is_parked": {"one event of each key counts": counting_keys_once},
    "test_a_pending_retry_survives_a_restart": {
        "waits are forgotten": for_each(_forgetting_waits),
        "every time has come": due(datetime.min.replace(tzinfo=UTC)),
        "pending retries are forgotten": knowing_no_keys,
    },
    "test_a_pending_retry_moves_with_its_partition": {
        "new partitions hold nothing": at(
            "transaction.checkpoints",
            changing("divide", checkpoints=lambda checkpoints: [replace(each, parked=0) for each in checkpoints]),
        )
    },
    "test_a_crash_in_a_retry_loses_nothing": {"what follows is left behind": noting_no_retry},
    "test_a_key_with_a_pending_retry_is_discarded": {"pending events stay": keeping_parked},
}

REBUILDS: Mutants = {
    "test_a_rebuild_waits_for_pending_retries": {"pending events come after the swap": retrying_nothing},
    "test_pending_retries_of_the_old_rows_are_dropped": {"old waits stay": parking(ignoring("adopt"))},
}


class TestMutants(MutantSuite):
    """Stores that lose, repeat or reorder pending retries."""

    suite = SubscriptionSuite
    mutants = MUTANTS


class TestRebuildMutants(MutantSuite):
    """Stores on which a rebuild ignores pending retries."""

    suite = RebuildSuite
    mutants = REBUILDS
