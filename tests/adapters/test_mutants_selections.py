from __future__ import annotations

from tests.mutants.harness import MutantSuite
from tests.mutants.selections import MUTANTS
from tests.stores import on_read_stores
from twofold.testing.conformance import SelectionsSuite


@on_read_stores
class TestMutants(MutantSuite):
    """Broken selections, over every adapter."""

    suite = SelectionsSuite
    mutants = MUTANTS
