"""Stores on which what is held comes too early, too late, in another order or never."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from twofold.ports import ParkedEvent

from .broken import Around, BrokenStore, appending, break_store, break_transaction
from .leases import AsksNothing, KeepsParked
from .mutant import Mutant
from .subscription_store import CountsKeysOnce, NoKeys, parking


class ParksForGood(Around):
    """Loses when an event is to be tried again."""

    async def park(self, subscription: str, events: Sequence[ParkedEvent]) -> None:
        await self.inner.park(subscription, [each._replace(again=None) for each in events])


class HoldsFollowers(Around):
    """Has every event of a held key tried in the time of the first."""

    async def park(self, subscription: str, events: Sequence[ParkedEvent]) -> None:
        await self.inner.park(subscription, [each._replace(again=each.again or each.time) for each in events])


class HoldsNothing(Around):
    """Knows of no key that is held."""

    async def retries(self, subscription: str) -> Mapping[str, datetime]:
        return {}


class DueAtOnce(Around):
    """Says of every key that is held that its time has come."""

    async def retries(self, subscription: str) -> Mapping[str, datetime]:
        return dict.fromkeys(await self.inner.retries(subscription), datetime.min.replace(tzinfo=UTC))


class NeverDue(Around):
    """Says of no key that its time has come."""

    async def retries(self, subscription: str) -> Mapping[str, datetime]:
        return dict.fromkeys(await self.inner.retries(subscription), datetime.max.replace(tzinfo=UTC))


class KeepsAttempts(Around):
    """Does not count how often an event was tried."""

    async def blame(self, subscription: str, parked: ParkedEvent) -> None:
        await self.inner.blame(subscription, parked._replace(attempts=1))


class NotesSubscriptions(Around):
    """Notes which subscriptions set events aside."""

    def __init__(self, inner: Any, noted: set[str]) -> None:
        super().__init__(inner)
        self._noted = noted

    async def park(self, subscription: str, events: Sequence[ParkedEvent]) -> None:
        self._noted.add(subscription)
        await self.inner.park(subscription, events)


class ForgetsWaits(BrokenStore):
    """A store that has lost, each time it is opened, when events are to be tried again."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner, lambda transaction, *_: NotesSubscriptions(transaction, self._noted))
        self._noted: set[str] = set()

    async def open(self, views: Sequence[Any]) -> None:
        await self.inner.open(views)
        for subscription in sorted(self._noted):
            transaction = await self.inner.begin()
            try:
                for each in await self.inner.read_parked(subscription):
                    await transaction.parked.update(subscription, each._replace(again=None))
                await transaction.commit()
            finally:
                await transaction.rollback()


class DividesWithout(Around):
    """Forgets how many events each partition has set aside when they are divided anew."""

    async def divide(self, subscription: str, checkpoints: Sequence[Any], *, leases: Sequence[Any]) -> None:
        await self.inner.divide(subscription, [replace(each, parked=0) for each in checkpoints], leases=leases)


class KeepsOldParked(Around):
    """Leaves each subscription what it has set aside."""

    async def adopt_parked(self, subscription: str, *, of: str) -> None:
        return None


_FLOW = "test_other_keys_flow_while_a_failing_event_waits"
_ORDER = "test_a_held_event_is_tried_in_its_time_and_what_follows_comes_in_order"
_USED_UP = "test_when_the_attempts_are_used_up_the_event_is_parked"
_RESTART = "test_a_wait_survives_a_restart"
_REQUEST = "test_a_held_key_is_tried_on_request"

HOLDING: Sequence[Mutant] = (
    Mutant("the next try is lost", _FLOW, appending(ParksForGood)),
    Mutant("held keys are not known", _ORDER, break_store(HoldsNothing)),
    Mutant("no time ever comes", _ORDER, break_store(NeverDue)),
    Mutant("what follows is replayed in reverse", _ORDER, parking(lambda found, _: found[::-1])),
    Mutant("what follows is tried by itself", _ORDER, appending(HoldsFollowers)),
    Mutant("tries are not counted", _REQUEST, appending(KeepsAttempts)),
    Mutant("one event of each key counts", _USED_UP, break_store(CountsKeysOnce)),
    Mutant("waits are forgotten", _RESTART, break_store(ForgetsWaits)),
    Mutant("every time has come", _RESTART, break_store(DueAtOnce)),
    Mutant("held keys are forgotten", _RESTART, break_store(NoKeys)),
    Mutant("new partitions hold nothing", "test_a_wait_moves_with_its_partition", appending(DividesWithout)),
    Mutant("what follows is left behind", "test_a_crash_in_a_retry_loses_nothing", break_transaction(AsksNothing)),
    Mutant("requests are not heard", _REQUEST, break_transaction(AsksNothing)),
    Mutant("held events stay", "test_a_held_key_is_discarded", break_transaction(KeepsParked)),
)
"""Each is killed by the named test of `SubscriptionHolding`, which is a part of `SubscriptionSuite`."""

REBUILDS: Sequence[Mutant] = (
    Mutant("held events come after the swap", "test_held_events_are_waited_for", break_store(HoldsNothing)),
    Mutant("old waits stay", "test_what_the_old_rows_waited_for_is_dropped", appending(KeepsOldParked)),
)
"""Each is killed by the named test of `RebuildSuite`."""
