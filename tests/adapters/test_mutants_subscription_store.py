from __future__ import annotations

from tests.mutants.harness import MutantSuite
from tests.mutants.subscription_store import MUTANTS
from tests.stores import on_read_stores
from twofold.testing.conformance import SubscriptionStoreSuite


@on_read_stores
class TestMutants(MutantSuite):
    """Broken subscription stores, over every adapter."""

    suite = SubscriptionStoreSuite
    mutants = MUTANTS
