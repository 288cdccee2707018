"""Logs that lose or repeat events in pages."""

from __future__ import annotations

from tests.mutants.combinators import changing, changing_result
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.places import at
from twofold.ports import Position
from twofold.testing.conformance import SubscriptionSuite

MUTANTS: Mutants = {
    "test_pages_cover_the_log_in_both_directions": {
        "pages begin one event too late": at("log", changing("read_all", after=lambda after: Position(after + 1))),
        "the head is one event behind": at("log", changing_result("head", to=lambda head: Position(max(0, head - 1)))),
    },
    "test_filters_select_events": {
        "a stream is read without its first event": at("log", changing("read", after=lambda after: after + 1)),
        "the metadata is lost": at(
            "transaction.log", changing("append", events=lambda events: [e._replace(metadata="{}") for e in events])
        ),
    },
    "test_new_events_are_followed": {
        "names are ignored": at("log", changing("read_all", names=lambda _: ["bank.opened"])),
    },
}


class TestMutants(MutantSuite):
    """Broken logs."""

    suite = SubscriptionSuite
    mutants = MUTANTS
