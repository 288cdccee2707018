from __future__ import annotations

from twofold.testing.conformance import TransactionSuite
from twofold.testing.conformance.mutants._harness import MutantSuite
from twofold.testing.conformance.mutants._transactions import TRANSACTIONS


class TestMutants(MutantSuite):
    """Broken transactions, over every adapter."""

    suite = TransactionSuite
    mutants = TRANSACTIONS
