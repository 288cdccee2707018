"""Stores whose event log is broken."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from tests.mutants.combinators import changing, changing_result, instead, raising
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
from twofold.ports import START, EventLog, Position
from twofold.testing.conformance import EventLogSuite


async def _read_everything(
    log: EventLog, _: UUID, *, newest_first: bool = False, limit: int, **between: Position
) -> Any:
    page = await log.read_all(limit=1_000)
    fit = [each for each in page.events if between["after"] < each.position < between["before"]]
    return (fit[::-1] if newest_first else fit)[:limit]


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
    "test_events_are_read_by_their_correlation_id": {
        "the order is ignored": at("log", changing("read_correlated", newest_first=lambda _: False)),
        "the limit is ignored": at("log", changing("read_correlated", limit=lambda _: 1_000)),
        "the first position is ignored": at("log", changing("read_correlated", after=lambda _: START)),
        "the last position is included": at(
            "log", changing("read_correlated", before=lambda before: Position(before + 1))
        ),
        "an event is lost": at("log", changing_result("read_correlated", to=lambda found: found[:2])),
        "events of other correlation ids": at("log", instead(read_correlated=_read_everything)),
    },
    "test_an_append_that_is_rolled_back_has_no_correlation_id": {
        "a rollback commits, with a correlation id": commits_anyway,
        "events are read twice": at("log", changing_result("read_correlated", to=lambda found: [*found, *found])),
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
