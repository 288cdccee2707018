from __future__ import annotations

from twofold.testing.conformance import StateSuite
from twofold.testing.conformance.mutants._harness import MutantSuite
from twofold.testing.conformance.mutants._state import MUTANTS


class TestMutants(MutantSuite):
    """Broken state, over every adapter."""

    suite = StateSuite
    mutants = MUTANTS
