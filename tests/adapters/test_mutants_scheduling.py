from __future__ import annotations

from tests.mutants.harness import MutantSuite
from tests.mutants.schedule import SCHEDULING
from twofold.testing.conformance import SchedulerSuite


class TestMutants(MutantSuite):
    """Broken schedules."""

    suite = SchedulerSuite
    mutants = SCHEDULING
