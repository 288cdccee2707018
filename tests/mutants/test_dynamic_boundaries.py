"""Stores that select wrong events for a boundary, or check its condition wrongly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tests.mutants.combinators import Wrap, changing, changing_result, ignoring, instead
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.places import at
from twofold.ports import START, Criterion, NewEvent
from twofold.testing.conformance import BoundarySuite


def log(broken: Wrap) -> Wrap:
    """Break the log of every transaction."""
    return at("transaction.log", broken)


def criteria(change: Callable[[Criterion], Criterion]) -> Wrap:
    """Select and check by other criteria."""

    def changed(given: Sequence[Criterion]) -> tuple[Criterion, ...]:
        return tuple(map(change, given))

    def checked(conditions: Sequence[Any]) -> list[Any]:
        return [each._replace(criteria=changed(each.criteria)) for each in conditions]

    return log(lambda inner: changing("guard", conditions=checked)(changing("matching", criteria=changed)(inner)))


def checking(change: Callable[[Any], Any]) -> Wrap:
    """Check other conditions than those that are given."""
    return log(changing("guard", conditions=lambda conditions: [change(each) for each in conditions]))


def tagging(change: Callable[[NewEvent], tuple[str, ...]]) -> Wrap:
    """Store other tags than those that are given."""
    return log(changing("append", events=lambda events: [each._replace(tags=change(each)) for each in events]))


async def _twice(inner: Any, given: Sequence[Criterion], **options: Any) -> list[Any]:
    found = [each for one in given for each in await inner.matching([one], **options)]
    return sorted(found, key=lambda each: each.position)


async def _committed_only(inner: Any, given: Sequence[Criterion], **options: Any) -> list[Any]:
    settled = await inner.settled()
    return [each for each in await inner.matching(given, **options) if each.position <= settled]


async def _not_replacing(inner: Any, name: str, field: str, filled: Any) -> None:
    if field not in await inner.progress(name):
        await inner.record(name, field, filled)


unchecked = log(ignoring("guard"))
first_only = checking(lambda each: each._replace(criteria=each.criteria[:1]))
without_types = criteria(lambda each: each._replace(names=None) if each.tags else each)
one_tag = criteria(lambda each: each._replace(tags=each.tags[:1]))
folding = log(
    lambda inner: changing(
        "matching", criteria=lambda given: [each._replace(tags=tuple(map(str.lower, each.tags))) for each in given]
    )(
        changing(
            "append",
            events=lambda events: [
                each._replace(tags=tuple(dict.fromkeys(map(str.lower, each.tags)))) for each in events
            ],
        )(inner)
    )
)

MUTANTS: Mutants = {
    "test_events_are_selected_by_names_and_tags": {
        "types are ignored": without_types,
        "any tag is enough": one_tag,
        "only one criterion is used": log(changing("matching", criteria=lambda given: given[:1])),
        "an event of two criteria is returned twice": log(instead(matching=_twice)),
        "the order is reversed": log(changing_result("matching", to=lambda found: found[::-1])),
    },
    "test_events_are_selected_between_positions": {
        "the start is ignored": log(changing("matching", after=lambda _: START)),
        "the end is ignored": log(changing("matching", upto=lambda _: None)),
        "the limit is ignored": log(changing("matching", limit=lambda _: 10_000)),
    },
    "test_a_thousand_events_are_selected": {
        "a page has at most 500 events": log(
            changing("matching", limit=lambda limit: min(limit, 500) - limit // 5_000)
        ),
        "a large boundary is not checked": unchecked,
    },
    "test_tags_are_equal_only_character_by_character": {"tags ignore upper and lower case": folding},
    "test_a_transaction_selects_its_own_events": {"own events are left out": log(instead(matching=_committed_only))},
    "test_many_tags_in_one_append": {"tags are cut": tagging(lambda event: tuple(tag[:4] for tag in event.tags[:1]))},
    "test_records_of_tags": {
        "records are not replaced": at("transaction.tags", instead(record=_not_replacing)),
        "records are not deleted": at("transaction.tags", ignoring("remove")),
        "tags are not added": at("transaction.tags", ignoring("add")),
        "progress is complete": at("transaction.tags", changing_result("progress", to=dict.fromkeys)),
    },
    "test_a_later_event_that_matches_violates_a_condition": {
        "nothing is checked": unchecked,
        "only the first criterion is checked": first_only,
        "every event of a tag violates": without_types,
        "every event of one tag violates": one_tag,
        "only known names violate": checking(
            lambda each: each._replace(
                criteria=tuple(one._replace(names=one.names or frozenset(["suite.happened"])) for one in each.criteria)
            )
        ),
    },
    "test_an_event_that_commits_late_violates_a_condition": {"late commits are not checked": unchecked},
    "test_the_check_waits_for_an_open_append": {"the check does not wait": unchecked},
    "test_one_of_several_overlapping_deciders_wins": {"all deciders win": unchecked},
    "test_a_conflict_in_a_savepoint_is_undone_with_it": {"a violated condition is not reported": unchecked},
    "test_one_of_two_overlapping_decisions_wins": {
        "both decisions commit": unchecked,
        "tags are not stored": tagging(lambda _: ()),
    },
    "test_a_conflict_is_retried_with_the_new_events": {"too many seats are taken": unchecked},
    "test_an_event_of_a_bus_or_an_aggregate_violates_a_boundary": {"only boundaries are checked": unchecked},
    "test_each_boundary_of_a_unit_is_checked": {
        "only the first boundary is checked": log(changing("guard", conditions=lambda given: given[:1]))
    },
    "test_events_from_before_their_tags_refuse_a_boundary": {
        "missing tags are taken for complete": at(
            "transaction.tags", changing_result("progress", to=lambda _: dict.fromkeys(["course_id", "student_id"]))
        ),
    },
    "test_a_release_without_a_tag_makes_the_tags_incomplete": {
        "the record stays": at("transaction.tags", ignoring("remove")),
    },
}


class TestMutants(MutantSuite):
    """Stores that break boundaries."""

    suite = BoundarySuite
    mutants = MUTANTS
