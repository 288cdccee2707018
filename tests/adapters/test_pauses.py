from __future__ import annotations

from tests.stores import READ_STORES
from twofold.testing.conformance import PauseSuite


class TestPauses(PauseSuite):
    """Paused subscriptions, on every adapter."""

    kinds = READ_STORES
