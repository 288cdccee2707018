from __future__ import annotations

from tests.mutants.harness import MutantSuite
from tests.mutants.subscriptions import SUBSCRIPTIONS
from twofold.testing.conformance import SubscriptionSuite


class TestMutants(MutantSuite):
    """Stores with broken subscriptions."""

    suite = SubscriptionSuite
    mutants = SUBSCRIPTIONS
