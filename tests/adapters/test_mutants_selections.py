from __future__ import annotations

from tests.stores import on_read_stores
from twofold.testing.conformance import SelectionsSuite
from twofold.testing.conformance.mutants._harness import MutantSuite
from twofold.testing.conformance.mutants._selections import MUTANTS


@on_read_stores
class TestMutants(MutantSuite):
    """Broken selections, over every adapter."""

    suite = SelectionsSuite
    mutants = MUTANTS
