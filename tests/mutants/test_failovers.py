"""Stores on which a reader or a session mistakes another event for the lost one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from tests.mutants.checkpoints import moving
from tests.mutants.combinators import Wrap, both, changing, changing_result, for_each, ignoring, instead, replacing
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.places import at
from twofold.ports import EventLog, Position
from twofold.testing.conformance import FailoverSuite


def _without_event(page: Any) -> Any:
    return page._replace(event=None)


def _remembering_positions(_: Any) -> Wrap:
    known: dict[UUID, Position] = {}

    async def positions(log: EventLog, ids: Collection[UUID]) -> Mapping[UUID, Position]:
        known.update(await log.positions(ids))
        return {each: known[each] for each in ids if each in known}

    return at("log", instead(positions=positions))


unverified = at("log", replacing("read_all", event=None))
unknown = at("log", changing_result("read_all", to=_without_event))
one_run = changing_result("run", to=lambda _: "1")
forgetful = moving(lambda checkpoint: replace(checkpoint, event=None))

MUTANTS: Mutants = {
    "test_a_page_verifies_the_event_that_it_follows": {
        "a page does not verify": unverified,
        "a page returns no id": unknown,
    },
    "test_ids_are_those_of_committed_events": {
        "ids are not found": at("log", ignoring("ids", returning={})),
        "an id is missing": at("log", changing("ids", positions=lambda positions: list(positions)[:-1])),
    },
    "test_positions_are_those_of_committed_events": {
        "positions are not found": at("log", ignoring("positions", returning={})),
        "a position is missing": at("log", changing("positions", ids=lambda ids: list(ids)[:-1])),
        "lost events have positions": for_each(_remembering_positions),
    },
    "test_the_run_changes_when_events_are_lost": {"the run never changes": one_run},
    "test_a_projection_of_lost_events_is_reported_and_repaired": {
        "a running projection continues": both(unverified, at("log", ignoring("ids", returning={})))
    },
    "test_a_restarted_application_reports_lost_events": {"checkpoints do not name an event": forgetful},
    "test_a_session_never_misses_its_own_write": {
        "checkpoints forget the event": forgetful,
        "the run of a session never changes": one_run,
    },
    "test_a_token_of_a_lost_event_is_refused": {"tokens are trusted in every run": one_run},
    "test_a_token_of_a_lost_event_is_refused_in_two_stores": {"tokens are trusted for ever": one_run},
    "test_an_event_handler_continues_after_the_given_position": {
        "a handler starts where it was": at("transaction.checkpoints", ignoring("divide"))
    },
}


class TestMutants(MutantSuite):
    """Stores that lose events without telling."""

    suite = FailoverSuite
    mutants = MUTANTS
    fixtures = ("take_backup",)
