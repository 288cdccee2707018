"""Stores on which subscriptions lose events, repeat them, or mix them up."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from tests.mutants.checkpoints import forgetting_parked, moving_apart, unguarded
from tests.mutants.combinators import Wrap, both, changing, changing_result, for_each, ignoring, instead
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.leases import leasing
from tests.mutants.logs import (
    changing_identity,
    counting_nothing,
    jumping_to_head,
    miscounting,
    reading,
    shuffled,
    skipping_the_last,
    standing_still,
)
from tests.mutants.parked import finding, knowing_no_keys, parking
from tests.mutants.places import at
from tests.mutants.rows import writing_nothing
from tests.mutants.transactions import commits_anyway, commits_events_early
from twofold.ports import START, Checkpoint, EventLog, LogPage, Position, StoredEvent, SubscriptionStore, WriteStore
from twofold.testing.conformance import SubscriptionSuite
from twofold.testing.conformance._tools.proxy import Proxy


class DeliversTwice(Proxy):
    """Reads the last event of a page again at the head of the next one."""

    def __init__(self, inner: EventLog) -> None:
        super().__init__(inner)
        self._last: dict[Position, StoredEvent] = {}

    async def read_all(self, **options: Any) -> LogPage:
        page: LogPage = await self.inner.read_all(**options)
        again = self._last.get(options["after"])
        if page.events:
            self._last[page.last] = page.events[-1]
        return LogPage((again, *page.events), page.last) if again and page.events else page


class ForgetsCheckpoints:
    """Loses the checkpoints of a store each time it is opened, and nothing else."""

    def __init__(self) -> None:
        self._moved: set[str] = set()

    async def advance(self, checkpoints: Any, subscription: str, **move: Any) -> None:
        """Record the subscriptions whose checkpoints move."""
        self._moved.add(subscription)
        await checkpoints.advance(subscription, **move)

    async def open(self, store: Any, views: Sequence[Any]) -> None:
        """Set the checkpoints back."""
        await store.open(views)
        for subscription in sorted(self._moved):
            stands = await store.subscriptions.checkpoint(subscription)
            transaction = await store.begin()
            try:
                back = replace(stands, position=START)
                await transaction.checkpoints.advance(subscription, expected=stands, to=back)
                await transaction.commit()
            finally:
                await transaction.rollback()


def _forgetting_checkpoints(_: WriteStore) -> Wrap:
    forgets = ForgetsCheckpoints()
    return both(instead(open=forgets.open), at("transaction.checkpoints", instead(advance=forgets.advance)))


async def _read_too_early(log: EventLog, *, after: Position = START, **options: Any) -> LogPage:
    page = await log.read_all(after=Position(max(START, after - 2)), **options)
    return page if page.last > after else LogPage((), after)


async def _stop_at_unwanted(
    log: EventLog, *, after: Position = START, limit: int = 500, names: Collection[str] | None = None
) -> LogPage:
    """Read a batch, then leave out events without a match. If none is left, do not report how far the log was read."""
    page = await log.read_all(after=after, limit=limit)
    matching = tuple(event for event in page.events if names is None or event.name in names)
    full = len(page.events) == limit
    return LogPage(matching, after if full and not matching else page.last)


async def _last_but_one(log: EventLog) -> Position:
    events = (await log.read_all(limit=1000)).events
    return events[-2].position if len(events) > 1 else START


def _taking_any_log(store: WriteStore) -> Wrap:
    async def own(checkpoint: Checkpoint) -> Checkpoint:
        return replace(checkpoint, log=await store.log.identity())

    async def partitions(subscriptions: SubscriptionStore, subscription: str) -> Any:
        found = await subscriptions.partitions(subscription)
        return [each._replace(checkpoint=await own(each.checkpoint)) for each in found]

    async def checkpoint(subscriptions: SubscriptionStore, subscription: str) -> Checkpoint | None:
        found = await subscriptions.checkpoint(subscription)
        return found and await own(found)

    return leasing(instead(partitions=partitions, checkpoint=checkpoint))


def _only(*names: str) -> Wrap:
    """Return only these events to readers of all events."""
    return at("log", changing("read_all", names=lambda given: names if given is None else given))


def _back_to_start(checkpoints: Sequence[Checkpoint]) -> Sequence[Checkpoint]:
    return [replace(each, position=START) for each in checkpoints]


forgetting_attempts = finding(lambda parked: parked._replace(attempts=0))

MUTANTS: Mutants = {
    "test_history_then_live_in_order": {
        "events come in reverse": shuffled,
        "an event comes twice": at("log", DeliversTwice),
    },
    "test_a_history_of_several_pages": {
        "an event is skipped": skipping_the_last,
        "a page says that it went to the head": jumping_to_head,
    },
    "test_a_page_that_crosses_the_end_of_a_replay": {
        "a page begins too early": reading(read_all=_read_too_early),
        "a subscription begins at the beginning": at(
            "transaction.checkpoints", changing("divide", checkpoints=_back_to_start)
        ),
    },
    "test_pages_without_a_match_are_passed": {
        "a page without a match is the last": reading(read_all=_stop_at_unwanted)
    },
    "test_filtered_events_move_the_checkpoint": {
        "filtered events are never passed": standing_still,
        "the head is too high": at("log", changing_result("head", to=lambda head: Position(head + 1))),
    },
    "test_an_event_handler_starts_at_the_given_position": {"the head is too low": reading(head=_last_but_one)},
    "test_the_status_tells_how_far_behind": {
        "one too many are behind": miscounting,
        "nobody is behind": counting_nothing,
    },
    "test_a_restart_goes_on": {
        "the identity changes": changing_identity,
        "checkpoints are lost": for_each(_forgetting_checkpoints),
    },
    "test_a_checkpoint_of_another_log_is_recognised": {"checkpoints of other logs count": for_each(_taking_any_log)},
    "test_a_crash_around_the_checkpoint_applies_each_event_once": {
        "a checkpoint moves though its rows do not": moving_apart,
        "rows are kept though their checkpoint is not": commits_anyway,
    },
    "test_an_event_handler_commits_its_commands_with_its_checkpoint": {
        "an event handler's checkpoint moves though its events do not": moving_apart,
        "an event handler's events are kept though its checkpoint is not": commits_events_early,
    },
    "test_a_step_behind_a_moved_checkpoint_is_refused": {"checkpoints move from anywhere": unguarded()},
    "test_a_poison_event_parks_its_key_and_others_flow": {
        "parked events are lost": parking(ignoring("add")),
        "what follows a parked event is lost": parking(
            changing("add", events=lambda events: [each for each in events if each.attempts])
        ),
        "attempts are forgotten": forgetting_attempts,
        "the number of parked events is forgotten": forgetting_parked,
    },
    "test_a_row_that_cannot_be_kept_parks_its_event": {
        "the attempts at a refused row are forgotten": forgetting_attempts
    },
    "test_a_row_that_another_event_writes_parks_its_own": {
        "the attempts at a row that another event writes are forgotten": forgetting_attempts
    },
    "test_a_failure_is_parked_whatever_its_words": {
        "a reason is not written": parking(
            changing("add", events=lambda events: [each for each in events if each.reason.encode("ascii")])
        )
    },
    "test_a_parked_key_stays_parked": {"parked keys are forgotten": knowing_no_keys},
    "test_a_handler_of_a_base_class_receives_every_subclass": {
        "only one type of event is read": at(
            "log", changing("read_all", names=lambda names: names and sorted(names)[:1])
        ),
        "a reader of all events gets those of some types": _only("bank.opened", "suite.moved_in"),
    },
    "test_an_event_is_applied_by_the_most_specific_method": {
        "events of several classes come in reverse": shuffled,
    },
    "test_an_event_of_an_unknown_type_is_parked_for_a_handler_of_all_events": {
        "unknown types are skipped": _only("suite.moved_in", "suite.moved_out", "suite.moved_far"),
    },
    "test_an_undecodable_event_is_parked": {"an undecodable event is lost": parking(ignoring("add"))},
    "test_an_inline_projection_is_committed_with_the_command": {
        "inline rows are lost": writing_nothing,
        "events are kept though an inline projection failed": commits_events_early,
    },
}


class TestMutants(MutantSuite):
    """Stores with broken subscriptions."""

    suite = SubscriptionSuite
    mutants = MUTANTS
