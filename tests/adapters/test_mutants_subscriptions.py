from __future__ import annotations

from twofold.testing.conformance import SubscriptionSuite
from twofold.testing.conformance.mutants._harness import MutantSuite
from twofold.testing.conformance.mutants._subscriptions import SUBSCRIPTIONS


class TestMutants(MutantSuite):
    """Stores with broken subscriptions, over every adapter."""

    suite = SubscriptionSuite
    mutants = SUBSCRIPTIONS
