from __future__ import annotations

from twofold.testing.conformance import IdempotencySuite


class TestIdempotency(IdempotencySuite):
    """Commands that take effect once, on every adapter."""
