from __future__ import annotations

from tests.mutants.harness import MutantSuite
from tests.mutants.schedule import SCHEDULE
from twofold.testing.conformance import ScheduleSuite


class TestMutants(MutantSuite):
    """Broken schedules."""

    suite = ScheduleSuite
    mutants = SCHEDULE
