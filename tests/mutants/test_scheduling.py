"""Stores on which scheduled commands are lost, repeated, or tried for ever."""

from __future__ import annotations

from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.schedule import (
    cancelling_nothing,
    keeping_the_first_time,
    losing_attempts,
    losing_reasons,
    saying_it_was_there,
    sharing_ids,
    taking_again,
    trying_always,
)
from tests.mutants.transactions import commits_anyway
from twofold.testing.conformance import SchedulerSuite

MUTANTS: Mutants = {
    "test_another_process_leaves_alone_what_is_handled": {"an entry is taken again": taking_again},
    "test_a_failing_command_is_tried_again_and_holds_nobody_up": {
        "nothing is left alone": trying_always,
        "attempts are lost": losing_attempts,
        "reasons are lost": losing_reasons,
    },
    "test_an_id_that_is_used_again": {
        "tenants share ids": sharing_ids,
        "the first time stays": keeping_the_first_time,
    },
    "test_the_schedule_belongs_to_the_unit_of_work": {
        "nothing is cancelled": cancelling_nothing,
        "rollbacks keep changes": commits_anyway,
    },
    "test_cancelling_meets_dispatching": {"every cancelling succeeds": saying_it_was_there},
}


class TestMutants(MutantSuite):
    """Broken schedules."""

    suite = SchedulerSuite
    mutants = MUTANTS
