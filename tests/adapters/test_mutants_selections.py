from __future__ import annotations

from tests.mutants.harness import MutantSuite
from tests.mutants.selections import MUTANTS
from tests.stores import READ_STORES
from twofold.testing.conformance import SelectionsSuite


class TestMutants(MutantSuite):
    """Broken selections."""

    suite = SelectionsSuite
    mutants = MUTANTS
    kinds = READ_STORES
