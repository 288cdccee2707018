from __future__ import annotations

from twofold.testing.conformance import TransactionSuite


class TestTransaction(TransactionSuite):
    """Transactions, on every adapter."""
