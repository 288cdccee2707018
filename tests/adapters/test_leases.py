from __future__ import annotations

from tests.stores import on_read_stores
from twofold.testing.conformance import LeaseSuite


@on_read_stores
class TestLeases(LeaseSuite):
    """Segments and leases, on every adapter."""
