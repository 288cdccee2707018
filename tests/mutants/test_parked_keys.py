"""Stores that discard too much, too little or for two operators, and that lose attempts."""

from __future__ import annotations

from tests.mutants.checkpoints import forgetting_parked, unguarded
from tests.mutants.combinators import both, changing, ignoring
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.parked import finding, in_reverse, keeping_parked, noting_no_retry, parking, removing_all
from twofold.ports import Position
from twofold.testing.conformance import SubscriptionSuite

MUTANTS: Mutants = {
    "test_one_parked_event_is_discarded": {
        "the whole key is discarded": removing_all,
        "the rest of the key is in reverse": in_reverse,
        "the discarded event stays": keeping_parked,
    },
    "test_an_edited_event_is_handled_with_its_new_payload": {
        "the edit is not stored": parking(ignoring("update")),
        "the edit is forgotten": finding(lambda parked: parked._replace(edit=None)),
    },
    "test_keys_are_retried_by_error": {"a requested retry is not stored": noting_no_retry},
    "test_events_are_discarded_by_error": {"discarding one event discards all": removing_all},
    "test_parked_events_are_listed_in_pages": {"no event is parked": parking(ignoring("add", returning=None))},
    "test_a_pending_retry_passes_to_the_next_event": {"the next event never gets the retry": noting_no_retry},
    "test_an_event_that_is_not_parked_is_not_discarded": {
        "the number of parked events is forgotten": forgetting_parked,
    },
    "test_of_two_operators_one_discards_an_event": {"both operators discard the event": unguarded()},
    "test_an_event_is_discarded_while_it_is_retried": {
        "an event is handled and discarded": both(keeping_parked, unguarded()),
    },
    "test_a_handler_sees_the_number_of_its_attempt": {
        "attempts are forgotten": finding(lambda parked: parked._replace(attempts=0)),
    },
    "test_middleware_sees_the_envelope_of_each_attempt": {
        "a retry looks like the first attempt": finding(lambda parked: parked._replace(attempts=0)),
        "a retried event has another position": finding(
            lambda parked: parked._replace(event=parked.event._replace(position=Position(parked.event.position + 1)))
        ),
    },
    "test_the_class_of_an_error_decides": {
        "parked events are lost": parking(ignoring("add")),
        "later events of a failing key are lost": parking(
            changing("add", events=lambda events: [each for each in events if each.attempts])
        ),
        "an event that is skipped in a retry stays parked": keeping_parked,
    },
}


class TestMutants(MutantSuite):
    """Stores that mix up the parked events of a key."""

    suite = SubscriptionSuite
    mutants = MUTANTS
