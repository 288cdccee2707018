from __future__ import annotations

from twofold.testing.conformance import UnitOfWorkSuite
from twofold.testing.conformance.mutants._harness import MutantSuite
from twofold.testing.conformance.mutants._unit_of_work import UNIT_OF_WORK


class TestMutants(MutantSuite):
    """Stores that break units of work, over every adapter."""

    suite = UnitOfWorkSuite
    mutants = UNIT_OF_WORK
