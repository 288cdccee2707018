from __future__ import annotations

from tests.stores import on_read_stores
from twofold.testing.conformance import RowsSuite
from twofold.testing.conformance.mutants._harness import MutantSuite
from twofold.testing.conformance.mutants._rows import MUTANTS


@on_read_stores
class TestMutants(MutantSuite):
    """Broken rows, over every adapter."""

    suite = RowsSuite
    mutants = MUTANTS
