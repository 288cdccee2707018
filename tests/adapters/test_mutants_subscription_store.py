from __future__ import annotations

from tests.stores import on_read_stores
from twofold.testing.conformance import SubscriptionStoreSuite
from twofold.testing.conformance.mutants._harness import MutantSuite
from twofold.testing.conformance.mutants._subscription_store import MUTANTS


@on_read_stores
class TestMutants(MutantSuite):
    """Broken subscription stores, over every adapter."""

    suite = SubscriptionStoreSuite
    mutants = MUTANTS
