from __future__ import annotations

from twofold.testing.conformance import SelectionsSuite
from twofold.testing.conformance.mutants._harness import MutantSuite
from twofold.testing.conformance.mutants._selections import MUTANTS


class TestMutants(MutantSuite):
    """Broken selections, over every adapter."""

    suite = SelectionsSuite
    mutants = MUTANTS
