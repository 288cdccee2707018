"""Stores on which scheduled commands are lost, repeated, or retried without end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.mutants.combinators import changing, changing_result, instead
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.schedule import (
    cancelling_nothing,
    keeping_the_first_time,
    losing_attempts,
    losing_reasons,
    saying_it_was_there,
    scheduling,
    sharing_ids,
    taking_again,
    trying_always,
)
from tests.mutants.transactions import commits_anyway
from twofold.ports import ScheduledCommand
from twofold.testing.conformance import SchedulerSuite

HOUR = timedelta(hours=1)


async def _as_the_process(schedule: Any, command: ScheduledCommand, *, again: Any, **why: Any) -> Any:
    return await schedule.postpone(command, again=again and again + HOUR, **why)


def _in_seconds(command: ScheduledCommand) -> ScheduledCommand:
    return command._replace(due=command.due.replace(microsecond=0))


MUTANTS: Mutants = {
    "test_wrong_clocks_of_processes_do_not_matter": {
        "the clock of the store is ahead": changing_result("now", to=lambda time: time + HOUR),
        "the clock of the store is behind": changing_result("now", to=lambda time: time - HOUR),
    },
    "test_a_retry_is_due_by_the_clock_of_the_store": {
        "retries are postponed by another clock": scheduling(instead(postpone=_as_the_process)),
    },
    "test_another_process_skips_commands_that_are_being_handled": {"an entry is taken again": taking_again},
    "test_a_failing_command_is_retried_and_delays_no_other": {
        "nothing is left alone": trying_always,
        "attempts are lost": losing_attempts,
        "reasons are lost": losing_reasons,
    },
    "test_the_class_of_an_error_decides": {
        "the attempts of a command are lost": losing_attempts,
    },
    "test_an_id_that_is_used_again": {
        "tenants share ids": sharing_ids,
        "the first time stays": keeping_the_first_time,
    },
    "test_the_schedule_belongs_to_the_unit_of_work": {
        "nothing is cancelled": cancelling_nothing,
        "rollbacks keep changes": commits_anyway,
    },
    "test_times_that_not_every_store_keeps_are_refused": {
        "times lose their microseconds": scheduling(changing("put", command=_in_seconds)),
    },
    "test_an_unreadable_command_stays_stored": {
        "reasons of unreadable commands are lost": losing_reasons,
        "attempts at unreadable commands are lost": losing_attempts,
    },
    "test_cancelling_and_dispatching_are_concurrent": {"every cancelling succeeds": saying_it_was_there},
}


class TestMutants(MutantSuite):
    """Broken schedules."""

    suite = SchedulerSuite
    mutants = MUTANTS
