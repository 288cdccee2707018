from __future__ import annotations

from twofold.testing.conformance import SubscriptionSuite


class TestSubscriptions(SubscriptionSuite):
    """Subscriptions, on every adapter."""
