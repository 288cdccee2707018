from __future__ import annotations

from tests.stores import STORES
from twofold.testing.conformance import UnitOfWorkSuite


class TestUnitOfWork(UnitOfWorkSuite):
    """Units of work, on every adapter."""

    kinds = STORES
