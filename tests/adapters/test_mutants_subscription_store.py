from __future__ import annotations

from twofold.testing.conformance import SubscriptionStoreSuite
from twofold.testing.conformance.mutants._harness import MutantSuite
from twofold.testing.conformance.mutants._subscription_store import MUTANTS


class TestMutants(MutantSuite):
    """Broken subscription stores, over every adapter."""

    suite = SubscriptionStoreSuite
    mutants = MUTANTS
