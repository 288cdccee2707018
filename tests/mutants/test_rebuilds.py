"""Stores on which a rebuild is noticed, loses something, or does it twice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from tests.mutants.combinators import Wrap, both, changing_result, for_each, ignoring, instead, replacing
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.leases import advancing, dividing, dropping_when_dividing, leasing, now, robbing, showing_no_pause
from tests.mutants.parked import adopting_nothing, parking
from tests.mutants.places import at
from tests.mutants.transactions import committing_behind
from twofold.ports import (
    START,
    Checkpoint,
    Lease,
    Partition,
    Position,
    ReadStore,
    RowChange,
    Selection,
    SubscriptionStore,
)
from twofold.ports.rows import Ordering
from twofold.testing.conformance import RebuildSuite


def shadows(**functions: Any) -> Wrap:
    """Treat shadow rows in another way; the functions get the transaction and the part first."""

    def make(transaction: Any) -> Wrap:
        return at("shadows", instead(**{name: partial(each, transaction) for name, each in functions.items()}))

    return at("transaction", for_each(make))


async def all_of(transaction: Any, view: Any, *, shadow: bool = False) -> Sequence[Any]:
    """Return the rows of a view as a transaction sees them."""
    found: Sequence[Any] = await transaction.rows(view, shadow=shadow).select(
        Selection(order_by=(Ordering(view.view_key),))
    )
    return found


def early(rows: Sequence[Any]) -> list[RowChange[Any]]:
    """Return changes that write these rows, at the first position."""
    return [RowChange(row.key, row, Position(START + 1)) for row in rows]


async def _swap_and_keep_old(transaction: Any, part: Any, views: Sequence[Any]) -> None:
    old = {view: await all_of(transaction, view) for view in views}
    await part.swap(views)
    for view, rows in old.items():
        there = {row.key for row in await all_of(transaction, view)}
        await transaction.rows(view).write(early([row for row in rows if row.key not in there]))


async def _swap_and_keep_shadows(transaction: Any, part: Any, views: Sequence[Any]) -> None:
    found = {view: await all_of(transaction, view, shadow=True) for view in views}
    await part.swap(views)
    for view, rows in found.items():
        await transaction.rows(view, shadow=True).write(early(rows))


async def _swap_without_positions(transaction: Any, part: Any, views: Sequence[Any]) -> None:
    found = {view: await all_of(transaction, view, shadow=True) for view in views}
    await part.clear(views)
    await part.swap(views)
    for view, rows in found.items():
        await transaction.rows(view).write(early(rows))


async def _clear_rows_too(_: Any, part: Any, views: Sequence[Any]) -> None:
    await part.clear(views)
    await part.swap(views)


async def _create_and_clear(store: Any, views: Sequence[Any]) -> None:
    await store.create_shadows(views)
    transaction = await store.begin()
    try:
        await transaction.shadows.clear(views)
        await transaction.commit()
    finally:
        await transaction.rollback()


async def _divide_in_place(
    store: ReadStore, part: Any, subscription: str, checkpoints: Sequence[Checkpoint], *, leases: Sequence[Lease]
) -> None:
    if leases and checkpoints:
        checkpoints = [each.checkpoint for each in await store.subscriptions.partitions(subscription)]
    await part.divide(subscription, checkpoints, leases=leases)


async def _advance_anyway(
    store: ReadStore,
    part: Any,
    subscription: str,
    *,
    expected: Checkpoint | None,
    to: Checkpoint,
    lease: Lease | None = None,
) -> None:
    if lease is not None:
        lease = (await now(store.subscriptions, subscription))[lease.partition]
        expected = (await store.subscriptions.partitions(subscription))[lease.partition].checkpoint
    await part.advance(subscription, expected=expected, to=to, lease=lease)


async def _adopt_as_well(store: ReadStore, part: Any, subscription: str, *, of: str) -> None:
    before = await store.parked.read(subscription)
    await part.adopt(subscription, of=of)
    await part.add(subscription, before)


class DividesOthers:
    """Restarts every other subscription when one is divided."""

    def __init__(self, subscriptions: SubscriptionStore) -> None:
        self._subscriptions = subscriptions
        self._known: set[str] = set()

    async def claim(self, subscriptions: SubscriptionStore, subscription: str, *args: Any, **how: Any) -> Any:
        """Record the subscriptions."""
        self._known.add(subscription)
        return await subscriptions.claim(subscription, *args, **how)

    async def divide(self, part: Any, subscription: str, checkpoints: Any, *, leases: Sequence[Lease]) -> None:
        """Divide the others, too."""
        await part.divide(subscription, checkpoints, leases=leases)
        for other in sorted(self._known - {subscription}) if leases else ():
            partitions = await self._subscriptions.partitions(other)
            if anew := [replace(each.checkpoint, position=START) for each in partitions]:
                await part.divide(other, anew, leases=await now(self._subscriptions, other))


def _dividing_others(store: ReadStore) -> Wrap:
    divides = DividesOthers(store.subscriptions)
    return both(leasing(instead(claim=divides.claim)), at("transaction.checkpoints", instead(divide=divides.divide)))


def _keeping_contents(store: ReadStore) -> Wrap:
    """Divide a subscription with the contents that it had first."""
    first: dict[str, str] = {}

    async def divide(part: Any, subscription: str, checkpoints: Sequence[Checkpoint], **leases: Any) -> None:
        for each in checkpoints:
            first.setdefault(subscription.removesuffix("@rebuild"), each.contents)
        contents = first.get(subscription.removesuffix("@rebuild"), "")
        await part.divide(subscription, [replace(each, contents=contents) for each in checkpoints], **leases)

    return at("transaction.checkpoints", instead(divide=divide))


def _without_contents(partitions: Sequence[Partition]) -> Sequence[Partition]:
    return [each._replace(checkpoint=replace(each.checkpoint, contents="")) for each in partitions]


def _without_fields(checkpoint: Checkpoint) -> str:
    if not checkpoint.contents:
        return ""
    views, events = json.loads(checkpoint.contents)
    return json.dumps([[view.partition(" ")[0] for view in views], events])


forgetting_fields = dividing(lambda each, _: replace(each, contents=_without_fields(each)), anew=False)
one_set = at("transaction", replacing("rows", shadow=False))
clearing_nothing = at("transaction.shadows", ignoring("clear"))
clearing_rows_too = shadows(clear=_clear_rows_too)
clearing_at_creation = instead(create_shadows=_create_and_clear)
keeping_old_rows = shadows(swap=_swap_and_keep_old)
swapping_early = committing_behind("shadows", "swap")


MUTANTS: Mutants = {
    "test_shadow_rows_are_apart": {"shadow rows are read": one_set},
    "test_a_swap_replaces_all_rows": {
        "shadow rows stay when they are swapped": shadows(swap=_swap_and_keep_shadows),
        "old rows stay beside the new ones": keeping_old_rows,
    },
    "test_swapped_rows_keep_their_positions": {
        "swapped rows lose their positions": shadows(swap=_swap_without_positions)
    },
    "test_a_swap_is_rolled_back": {"the swap commits by itself": swapping_early},
    "test_shadows_are_cleared": {
        "shadow rows are not cleared": clearing_nothing,
        "shadow rows are lost when made again": clearing_at_creation,
        "the rows that are read are cleared": clearing_rows_too,
    },
    "test_the_new_rows_replace_the_old": {
        "a rebuild swaps nothing": at("transaction.shadows", ignoring("swap")),
        "leases cannot be taken by force": leasing(replacing("claim", force=False)),
    },
    "test_while_it_fills_the_old_rows_are_read": {
        "a rebuild writes where queries read": one_set,
        "a rebuild empties what queries read": clearing_rows_too,
    },
    "test_the_swap_takes_the_checkpoint_along": {
        "the checkpoint stays behind": for_each(
            lambda store: at("transaction.checkpoints", instead(divide=partial(_divide_in_place, store)))
        ),
        "the checkpoint is forgotten in the swap": dividing(lambda checkpoint, _: replace(checkpoint, position=START)),
    },
    "test_a_new_view_is_reported_until_it_is_rebuilt": {
        "the first contents stay": for_each(_keeping_contents),
        "contents are not known": at("subscriptions", changing_result("partitions", to=_without_contents)),
    },
    "test_a_new_event_is_reported_until_the_rows_are_rebuilt": {
        "contents are lost": dividing(lambda checkpoint, _: replace(checkpoint, contents=""), anew=False)
    },
    "test_a_new_event_that_never_happened_needs_no_rebuild": {
        "contents are never replaced": for_each(_keeping_contents)
    },
    "test_an_earlier_release_skips_no_new_event": {"new contents are not recorded": for_each(_keeping_contents)},
    "test_an_earlier_release_leaves_no_view_behind": {"a rebuild records nothing": for_each(_keeping_contents)},
    "test_a_new_field_is_reported_until_the_rows_are_rebuilt": {
        "contents are lost, with the fields": dividing(
            lambda checkpoint, _: replace(checkpoint, contents=""), anew=False
        ),
        "a rebuild fills no field": at("transaction.shadows", ignoring("swap")),
    },
    "test_a_new_field_has_its_default_until_the_rows_are_rebuilt": {"no field is recorded": forgetting_fields},
    "test_a_new_field_without_earlier_events_needs_no_rebuild": {
        "a field without events is not recorded": for_each(_keeping_contents)
    },
    "test_a_removed_field_that_returns_is_reported": {"a removed field is not recorded": forgetting_fields},
    "test_a_release_without_a_field_waits_for_the_other": {"leases are taken that others hold": robbing},
    "test_an_earlier_release_writes_no_row_without_a_new_field": {
        "a rebuild records no field": for_each(_keeping_contents)
    },
    "test_no_event_handler_runs": {"other subscriptions begin anew": for_each(_dividing_others)},
    "test_a_crash_leaves_the_old_rows": {
        "rows change before their checkpoint": swapping_early,
        "a checkpoint moves before its rows": committing_behind("checkpoints", "divide"),
    },
    "test_it_goes_on_where_it_was": {"what was filled is lost in a crash": clearing_at_creation},
    "test_a_restart_begins_with_no_rows": {"a restart keeps what was filled": clearing_nothing},
    "test_one_rebuilds_at_a_time": {"two may rebuild": robbing},
    "test_a_pause_during_a_rebuild": {"a worker does not see the pause": showing_no_pause},
    "test_a_worker_that_was_away_during_the_swap_writes_nothing": {
        "a worker that was away moves the checkpoint": advancing(_advance_anyway)
    },
    "test_parked_events_are_those_of_the_new_rows": {
        "parked events are not adopted": adopting_nothing,
        "old parked events stay": for_each(lambda store: parking(instead(adopt=partial(_adopt_as_well, store)))),
        "rows that are made no more stay": keeping_old_rows,
        "parked events are lost in the swap": dropping_when_dividing,
        "parked events are not counted in the swap": dividing(lambda checkpoint, _: replace(checkpoint, parked=0)),
    },
}


class TestMutants(MutantSuite):
    """Stores on which a rebuild fails or gives wrong rows."""

    suite = RebuildSuite
    mutants = MUTANTS
