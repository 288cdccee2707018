"""Stores that keep checkpoints and parked events wrongly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from tests.mutants.checkpoints import forgetting_parked, moving, moving_apart, unguarded
from tests.mutants.combinators import both, changing, for_each, instead, replacing, suppressing
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.parked import answering, counting_keys_once, finding, in_reverse, knowing_no_keys, parking
from tests.mutants.places import at, unbroken_read_store
from tests.mutants.rows import writing_nothing
from tests.mutants.transactions import commits_anyway, quietly
from tests.stores import READ_STORES
from twofold.errors import CheckpointMoved
from twofold.ports import ParkedEvent, ParkedEventReader
from twofold.testing.conformance import SubscriptionStoreSuite
from twofold.testing.conformance._tools.proxy import Proxy

Noted = list[tuple[str, ParkedEvent]]


def _all(found: list[ParkedEvent], noted: Noted) -> list[ParkedEvent]:
    return [event for _, event in noted]


def _all_if_any(found: list[ParkedEvent], noted: Noted) -> list[ParkedEvent]:
    return [event for _, event in noted] if found else []


def _last_of_each(found: list[ParkedEvent], noted: Noted) -> list[ParkedEvent]:
    last = {event.event.id: event for _, event in noted}
    return [last.get(event.event.id, event) for event in found]


class ParksOnce(Proxy):
    """Parks an event for one subscription only."""

    def __init__(self, inner: Any, seen: dict[object, str]) -> None:
        super().__init__(inner)
        self._seen = seen

    async def add(self, subscription: str, events: Sequence[ParkedEvent]) -> None:
        mine = [each for each in events if self._seen.setdefault(each.event.id, subscription) == subscription]
        await self.inner.add(subscription, mine)


advancing_quietly = both(
    at("transaction.checkpoints", suppressing(CheckpointMoved, "advance")),
    at("transaction", suppressing(CheckpointMoved, "commit")),
)


async def _filtered_after_the_cut(
    parked: ParkedEventReader, subscription: str, *, error: str | None = None, **page: Any
) -> Sequence[ParkedEvent]:
    found = await parked.read(subscription, **page)
    return [each for each in found if error is None or each.reason.startswith(f"{error}:")]


MUTANTS: Mutants = {
    "test_a_wrong_expectation_is_refused": {
        "advance compares nothing": unguarded(),
        "a first worker overwrites": unguarded(lambda expected, stands: expected is None),
        "advance compares positions only": unguarded(
            lambda expected, stands: bool(expected and stands and expected.position == stands.position)
        ),
        "a refused advance is no error": advancing_quietly,
    },
    "test_one_of_two_workers_wins": {
        "two workers both win": unguarded(),
        "a losing worker is not told": advancing_quietly,
    },
    "test_one_of_two_first_workers_wins": {"two first workers both win": unguarded()},
    "test_a_checkpoint_survives": {
        "a checkpoint forgets its log": moving(lambda checkpoint: replace(checkpoint, log="log")),
        "a checkpoint forgets its number of parked events": forgetting_parked,
    },
    "test_a_rollback_undoes_everything": {
        "checkpoints are written although rolled back": moving_apart,
        "a rollback commits": commits_anyway,
    },
    "test_checkpoint_and_rows_commit_together": {
        "a checkpoint is written without its rows": writing_nothing,
        "parked events are seen before the commit": answering(_all),
    },
    "test_parked_events_keep_their_order": {
        "parked events come in reverse": in_reverse,
        "parked events come in the log's order": answering(
            lambda found, _: sorted(found, key=lambda event: event.event.position)
        ),
        "a key finds all parked events": at("parked", replacing("read", key=None)),
    },
    "test_parked_events_are_read_in_pages": {
        "the limit of a page is ignored": at("parked", replacing("read", limit=None)),
        "every page is the first one": at("parked", replacing("read", after=None)),
        "the key of a page is ignored": at("parked", replacing("read", key=None)),
        "the error of a page is ignored": at("parked", replacing("read", error=None)),
        "a page is cut before it is filtered": at("parked", instead(read=_filtered_after_the_cut)),
    },
    "test_a_page_after_an_event_that_is_gone_is_refused": {
        "a page after an unknown event is empty": at("parked", suppressing(LookupError, "read", returning=[])),
    },
    "test_parked_keys": {
        "parked keys are unknown": knowing_no_keys,
        "one event of each key is counted": counting_keys_once,
    },
    "test_parking_twice_keeps_the_first": {
        "parking twice stores twice": answering(_all_if_any),
        "parking twice keeps the last": answering(_last_of_each),
    },
    "test_subscriptions_do_not_mix": {
        "parked events of other subscriptions leak": answering(_all),
        "an event is parked for one subscription only": for_each(lambda _: parking(partial(ParksOnce, seen={}))),
        "subscriptions ignore upper and lower case": at(
            "transaction.checkpoints", changing("advance", subscription=str.lower)
        ),
    },
    "test_parked_events_survive_whole": {
        "reasons are cut short": finding(lambda parked: parked._replace(reason=parked.reason[:255])),
        "attempts are forgotten": finding(lambda parked: parked._replace(attempts=0)),
        "the next try is forgotten": finding(lambda parked: parked._replace(again=None)),
        "parked events lose their metadata": finding(
            lambda parked: parked._replace(event=parked.event._replace(metadata="{}"))
        ),
    },
    "test_a_reader_cannot_write": {
        "a reader's writes are lost quietly": both(quietly("checkpoints", "advance"), quietly("parked", "add"))
    },
}


class TestMutants(MutantSuite):
    """Broken subscription stores."""

    suite = SubscriptionStoreSuite
    mutants = MUTANTS
    kinds = READ_STORES
    unbroken = staticmethod(unbroken_read_store)
