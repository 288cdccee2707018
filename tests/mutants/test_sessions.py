"""Stores on which a session misses its own writes, or waits for writes that it has already seen."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from tests.mutants.checkpoints import forgetting_parked
from tests.mutants.combinators import Wrap, changing_result, for_each, ignoring, instead, replacing
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.leases import leasing
from tests.mutants.logs import changing_identity, counting_nothing, miscounting, sharing_identity
from tests.mutants.parked import finding
from tests.mutants.places import at
from tests.mutants.rows import rows
from twofold.ports import Checkpoint, Partition, Position, SubscriptionStore, WriteStore
from twofold.testing.conformance import SessionSuite
from twofold.testing.conformance._domain.audit import Unwanted
from twofold.testing.conformance._tools.proxy import Proxy


def _being_ahead(store: WriteStore) -> Wrap:
    async def partitions(subscriptions: SubscriptionStore, subscription: str) -> Sequence[Partition]:
        ahead = Checkpoint(await store.log.head(), await store.log.identity())
        found = await subscriptions.partitions(subscription) or [Partition(0, ahead, 0, None)]
        return [each._replace(checkpoint=ahead) for each in found]

    return leasing(instead(partitions=partitions))


class WritesLate(Proxy):
    """Writes rows in the next step, after their checkpoint."""

    def __init__(self, inner: Any, late: list[Any]) -> None:
        super().__init__(inner)
        self._late = late

    async def write(self, changes: Sequence[Any]) -> None:
        if self._late:
            await self.inner.write(self._late.pop(0))
        self._late.append(changes)


class ReadsOnce(Proxy):
    """Remembers each row that it was asked for."""

    def __init__(self, inner: Any, remembered: dict[object, Any]) -> None:
        super().__init__(inner)
        self._remembered = remembered

    async def get_many(self, keys: Any) -> Any:
        for key in keys:
            if key not in self._remembered:
                self._remembered[key] = (await self.inner.get_many([key])).get(key)
        return {key: self._remembered[key] for key in keys if self._remembered[key] is not None}


ahead = for_each(_being_ahead)
writing_late = for_each(lambda _: rows(partial(WritesLate, late=[])))
finding_nothing = at("parked", ignoring("read", returning=()))


MUTANTS: Mutants = {
    "test_a_session_reads_its_own_writes": {
        "rows come after their checkpoint": writing_late,
        "rows are remembered": for_each(lambda _: at("reading.rows", partial(ReadsOnce, remembered={}))),
    },
    "test_random_interleavings": {"rows come late, under load": writing_late},
    "test_a_token_works_from_another_application": {"the identity changes": changing_identity},
    "test_a_token_is_checked": {"logs share an identity": sharing_identity},
    "test_a_frozen_projection_is_reported_in_time": {
        "checkpoints are ahead": ahead,
        "positions are too low": at(
            "transaction.log",
            changing_result(
                "append", to=lambda stored: [each._replace(position=Position(each.position - 1)) for each in stored]
            ),
        ),
        "one too many are behind": miscounting,
        "at most one is behind": counting_nothing,
    },
    "test_a_session_does_not_wait_for_events_that_a_projection_ignores": {
        "events are taken for events that are ignored": at(
            "transaction.log",
            changing_result("append", to=lambda stored: [each._replace(name=Unwanted.message_name) for each in stored]),
        ),
        "a checkpoint ahead ends the wait for events that are applied": ahead,
    },
    "test_a_query_of_two_projections_waits_for_both": {
        "projections share a checkpoint": leasing(replacing("partitions", subscription="balances")),
        "a checkpoint ahead ends the wait for one of two": ahead,
    },
    "test_a_query_waits_that_the_handler_of_another_query_executes": {
        "a checkpoint ahead ends the wait of a nested query": ahead
    },
    "test_a_parked_event_of_a_session_ends_the_wait_immediately": {
        "parked events are not found": finding_nothing,
        "the number of parked events is forgotten": forgetting_parked,
    },
    "test_a_session_waits_for_a_pending_retry": {
        "pending retries are not found": finding_nothing,
        "pending events look parked": finding(lambda parked: parked._replace(again=None)),
    },
    "test_the_last_failed_attempt_ends_the_wait_of_a_session": {
        "parked events look pending": finding(lambda parked: parked._replace(again=parked.again or parked.time))
    },
}


class TestMutants(MutantSuite):
    """Stores with broken sessions."""

    suite = SessionSuite
    mutants = MUTANTS
