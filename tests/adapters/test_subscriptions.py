from __future__ import annotations

from tests.stores import on_pairs
from twofold.testing.conformance import SubscriptionSuite


@on_pairs
class TestSubscriptions(SubscriptionSuite):
    """Subscriptions, on every adapter."""
