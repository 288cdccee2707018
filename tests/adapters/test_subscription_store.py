from __future__ import annotations

from tests.stores import READ_STORES
from twofold.testing.conformance import SubscriptionStoreSuite


class TestSubscriptionStore(SubscriptionStoreSuite):
    """Checkpoints and parked events, on every adapter."""

    kinds = READ_STORES
