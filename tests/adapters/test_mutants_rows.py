from __future__ import annotations

from tests.mutants.harness import MutantSuite
from tests.mutants.rows import MUTANTS
from tests.stores import on_read_stores
from twofold.testing.conformance import RowsSuite


@on_read_stores
class TestMutants(MutantSuite):
    """Broken rows, over every adapter."""

    suite = RowsSuite
    mutants = MUTANTS
