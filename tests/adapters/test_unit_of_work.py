from __future__ import annotations

from twofold.testing.conformance import UnitOfWorkSuite


class TestUnitOfWork(UnitOfWorkSuite):
    """Units of work, on every adapter."""
