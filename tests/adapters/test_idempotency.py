from __future__ import annotations

from tests.stores import STORES
from twofold.testing.conformance import IdempotencySuite


class TestIdempotency(IdempotencySuite):
    """Commands that take effect once, on every adapter."""

    kinds = STORES
