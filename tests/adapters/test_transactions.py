from __future__ import annotations

from tests.stores import STORES
from twofold.testing.conformance import TransactionSuite


class TestTransaction(TransactionSuite):
    """Transactions, on every adapter."""

    kinds = STORES
