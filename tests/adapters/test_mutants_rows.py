from __future__ import annotations

from twofold.testing.conformance import RowsSuite
from twofold.testing.conformance.mutants._harness import MutantSuite
from twofold.testing.conformance.mutants._rows import MUTANTS


class TestMutants(MutantSuite):
    """Broken rows, over every adapter."""

    suite = RowsSuite
    mutants = MUTANTS
