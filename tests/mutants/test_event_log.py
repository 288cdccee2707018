"""Stores whose event log is broken."""

from __future__ import annotations

from uuid import uuid4

from tests.mutants.combinators import changing, raising
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.logs import (
    appending,
    changing_identity,
    empty_unchecked,
    jumping_to_head,
    miscounting,
    no_stream_ignored,
    sharing_identity,
    shuffled,
    skipping_the_last,
    standing_still,
    unchecked,
)
from tests.mutants.places import at
from tests.mutants.transactions import commits_anyway, commits_events_early
from twofold.errors import ConcurrencyConflict
from twofold.testing.conformance import EventLogSuite

MUTANTS: Mutants = {
    "test_exact_versions": {
        "conflict check dropped": unchecked,
        "conflict without versions": at(
            "transaction.log",
            raising(
                lambda conflict: ConcurrencyConflict(conflict.stream, expected=conflict.expected, actual=None),
                "append",
                of=ConcurrencyConflict,
            ),
        ),
    },
    "test_one_of_many_writers_wins": {"conflict check dropped, concurrently": unchecked},
    "test_several_streams_all_or_none": {
        "conflict check dropped, several streams": unchecked,
        "commits early": commits_events_early,
    },
    "test_any_and_no_stream": {"no stream ignored": no_stream_ignored},
    "test_an_empty_append_checks_too": {"empty append unchecked": empty_unchecked},
    "test_an_event_id_is_taken_once": {"duplicate swallowed": appending(lambda event: event._replace(id=uuid4()))},
    "test_many_events_in_one_append": {
        "last of many lost": at(
            "transaction.log", changing("append", events=lambda events: events[:-1] if len(events) > 1000 else events)
        )
    },
    "test_events_survive_the_round_trip": {
        "text mangled": appending(lambda event: event._replace(data=event.data.encode("ascii", "replace").decode())),
        "microseconds lost": appending(lambda event: event._replace(time=event.time.replace(microsecond=0))),
        "schema version lost": appending(lambda event: event._replace(schema=1)),
        "metadata lost": appending(lambda event: event._replace(metadata="{}")),
    },
    "test_a_rollback_leaves_nothing_and_delays_no_reader": {"rollback commits": commits_anyway},
    "test_pages_of_any_size_give_the_same": {
        "order shuffled": shuffled,
        "an event skipped": skipping_the_last,
    },
    "test_filtered_pages_move_on": {
        "filtered page stands still": standing_still,
        "full page jumps ahead": jumping_to_head,
    },
    "test_a_stream_is_read_from_a_version": {
        "after is off by one": at("log", changing("read", after=lambda after: max(0, after - 1)))
    },
    "test_events_are_counted": {"miscounted": miscounting},
    "test_the_identity_is_the_logs_own": {
        "identity changes": changing_identity,
        "identity shared": sharing_identity,
    },
}


class TestMutants(MutantSuite):
    """Broken event logs."""

    suite = EventLogSuite
    mutants = MUTANTS
