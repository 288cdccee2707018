from __future__ import annotations

from tests.stores import PAIRS
from twofold.testing.conformance import SubscriptionSuite


class TestSubscriptions(SubscriptionSuite):
    """Subscriptions, on every adapter."""

    kinds = PAIRS
