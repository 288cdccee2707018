from __future__ import annotations

from twofold.testing.conformance import ScheduleSuite
from twofold.testing.conformance.mutants._harness import MutantSuite
from twofold.testing.conformance.mutants._schedule import SCHEDULE


class TestMutants(MutantSuite):
    """Broken schedules, over every adapter."""

    suite = ScheduleSuite
    mutants = SCHEDULE
