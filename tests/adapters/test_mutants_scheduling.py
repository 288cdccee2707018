from __future__ import annotations

from twofold.testing.conformance import SchedulerSuite
from twofold.testing.conformance.mutants._harness import MutantSuite
from twofold.testing.conformance.mutants._schedule import SCHEDULING


class TestMutants(MutantSuite):
    """Broken schedules, over every adapter."""

    suite = SchedulerSuite
    mutants = SCHEDULING
