from __future__ import annotations

from tests.mutants.harness import MutantSuite
from tests.mutants.state import MUTANTS
from twofold.testing.conformance import StateSuite


class TestMutants(MutantSuite):
    """Broken state."""

    suite = StateSuite
    mutants = MUTANTS
