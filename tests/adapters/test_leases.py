from __future__ import annotations

from tests.stores import READ_STORES
from twofold.testing.conformance import LeaseSuite


class TestLeases(LeaseSuite):
    """Partitions and leases, on every adapter."""

    kinds = READ_STORES
