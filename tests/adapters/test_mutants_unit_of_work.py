from __future__ import annotations

from tests.mutants.harness import MutantSuite
from tests.mutants.unit_of_work import UNIT_OF_WORK
from twofold.testing.conformance import UnitOfWorkSuite


class TestMutants(MutantSuite):
    """Stores that break units of work."""

    suite = UnitOfWorkSuite
    mutants = UNIT_OF_WORK
