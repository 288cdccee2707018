from __future__ import annotations

from tests.mutants.harness import MutantSuite
from tests.mutants.transactions import TRANSACTIONS
from twofold.testing.conformance import TransactionSuite


class TestMutants(MutantSuite):
    """Broken transactions."""

    suite = TransactionSuite
    mutants = TRANSACTIONS
