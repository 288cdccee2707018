from __future__ import annotations

from tests.mutants.harness import MutantSuite
from tests.mutants.rows import MUTANTS
from tests.stores import READ_STORES
from twofold.testing.conformance import RowsSuite


class TestMutants(MutantSuite):
    """Broken rows."""

    suite = RowsSuite
    mutants = MUTANTS
    kinds = READ_STORES
