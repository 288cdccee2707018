"""Stores that do not move a checkpoint back, move it for others, or lose parked events when it moves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tests.mutants.checkpoints import unguarded
from tests.mutants.combinators import changing_result
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.leases import advancing, dividing
from tests.mutants.parked import keeping_parked, removing_all
from tests.mutants.places import at
from twofold.ports import START, Checkpoint, Lease, LogPage
from twofold.testing.conformance import SubscriptionSuite


async def _only_forward(
    _: Any, part: Any, subscription: str, *, expected: Checkpoint | None, to: Checkpoint, **how: Any
) -> None:
    if expected is None or to.position >= expected.position:
        await part.advance(subscription, expected=expected, to=to, **how)


async def _anyway(store: Any, part: Any, subscription: str, *, to: Checkpoint, **_: Any) -> None:
    stands = (await store.subscriptions.partitions(subscription))[0]
    lease = Lease(subscription, stands.number, stands.generation)
    await part.advance(subscription, expected=stands.checkpoint, to=to, lease=lease)


def _without_times(page: LogPage) -> LogPage:
    time = datetime(2000, 1, 1, tzinfo=UTC)
    return page._replace(events=tuple(event._replace(time=time) for event in page.events))


MUTANTS: Mutants = {
    "test_an_event_handler_is_replayed": {"a checkpoint never moves back": advancing(_only_forward)},
    "test_an_event_handler_skips_ahead": {
        "a first checkpoint is at the start": dividing(
            lambda checkpoint, _: replace(checkpoint, position=START, event=None), anew=False
        )
    },
    "test_an_event_handler_is_replayed_from_a_time": {
        "the times of events are lost": at("log", changing_result("read_all", to=_without_times))
    },
    "test_parked_events_before_the_position_stay": {
        "parked events after the position stay": keeping_parked,
        "every parked event is deleted": removing_all,
    },
    "test_a_running_handler_is_replayed": {"the running handler moves the checkpoint": advancing(_anyway)},
    "test_an_event_is_discarded_while_its_handler_is_replayed": {"a discarded event is counted": unguarded()},
}


class TestMutants(MutantSuite):
    """Stores that break replays."""

    suite = SubscriptionSuite
    mutants = MUTANTS
