"""Stores whose schedule is broken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unicodedata import normalize

from tests.mutants.combinators import Wrap, both, changing, changing_result, ignoring, instead, replacing
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.places import at
from tests.mutants.schedule import (
    cancelling_nothing,
    keeping_the_first_time,
    losing_attempts,
    losing_reasons,
    putting,
    saying_it_was_there,
    scheduling,
    sharing_ids,
    taking_again,
    trying_always,
)
from tests.mutants.transactions import commits_anyway, leaves_savepoints, quietly
from twofold.ports import ScheduledCommand
from twofold.testing.conformance import ScheduleSuite


def confusing(confuse: Callable[[str], str]) -> Wrap:
    """Store the entries of several ids under the same id."""
    return both(
        putting(lambda command: command._replace(tenant=confuse(command.tenant), id=confuse(command.id))),
        scheduling(changing("cancel", tenant=confuse, id=confuse)),
    )


async def _take_by_id(schedule: Any, command: ScheduledCommand) -> Any:
    return await schedule.cancel(command.tenant, command.id)


def ordering(key: str) -> Wrap:
    """Return entries in the order of one of their fields."""
    return at("schedule", changing_result("next", to=lambda found: sorted(found, key=lambda each: getattr(each, key))))


MUTANTS: Mutants = {
    "test_an_entry_comes_back_unchanged": {
        "times are coarse": putting(lambda command: command._replace(due=command.due.replace(microsecond=0))),
        "text is ASCII": putting(
            lambda command: command._replace(data=command.data.encode("ascii", "replace").decode())
        ),
    },
    "test_an_id_holds_one_entry": {
        "the first time stays": keeping_the_first_time,
        "tenants share ids": sharing_ids,
    },
    "test_ids_are_exact": {
        "case does not count": confusing(str.lower),
        "a space at the end does not count": confusing(str.rstrip),
        "accents are composed": confusing(lambda name: normalize("NFC", name)),
        "long ids are cut": confusing(lambda name: name[:199]),
    },
    "test_a_removed_entry_is_not_dispatched": {
        "nothing is cancelled": cancelling_nothing,
        "every cancelling succeeds": saying_it_was_there,
        "no cancelling succeeds": scheduling(changing_result("cancel", to=lambda _: False)),
    },
    "test_only_this_very_entry_is_taken": {
        "an entry is taken again": taking_again,
        "another entry is taken": scheduling(instead(take=_take_by_id)),
    },
    "test_one_of_several_takes_an_entry": {
        "a taken entry stays": scheduling(ignoring("take", returning=True)),
        "several take an entry": taking_again,
    },
    "test_a_removal_waits_for_a_dispatch": {
        "cancelling does not wait": cancelling_nothing,
        "cancelling does not look again": saying_it_was_there,
    },
    "test_changes_go_with_their_transaction": {
        "savepoints keep changes": leaves_savepoints,
        "rollbacks keep changes": commits_anyway,
    },
    "test_a_postponed_entry_is_due_later_or_stuck": {
        "nothing is postponed": scheduling(ignoring("postpone", returning=True)),
        "nothing is left alone": trying_always,
        "reasons are lost": losing_reasons,
        "attempts are lost": losing_attempts,
        "what is postponed keeps its place": ordering("due"),
        "what is stuck comes backwards": at("schedule", changing_result("stuck", to=lambda found: [*reversed(found)])),
    },
    "test_entries_come_in_order": {
        "entries come in no order": ordering("id"),
        "entries come all at once": at("schedule", replacing("next", limit=1000)),
    },
    "test_changes_need_a_transaction_that_writes": {"a reader schedules quietly": quietly("schedule", "put")},
}


class TestMutants(MutantSuite):
    """Broken schedules."""

    suite = ScheduleSuite
    mutants = MUTANTS
