from __future__ import annotations

from twofold.testing.conformance import SubscriptionStoreSuite


class TestSubscriptionStore(SubscriptionStoreSuite):
    """Checkpoints and parked events, on every adapter."""
