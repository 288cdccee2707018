from __future__ import annotations

from tests.stores import on_read_stores
from twofold.testing.conformance import SubscriptionStoreSuite


@on_read_stores
class TestSubscriptionStore(SubscriptionStoreSuite):
    """Checkpoints and parked events, on every adapter."""
