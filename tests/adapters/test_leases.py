from __future__ import annotations

from twofold.testing.conformance import LeaseSuite


class TestLeases(LeaseSuite):
    """Segments and leases, on every adapter."""
