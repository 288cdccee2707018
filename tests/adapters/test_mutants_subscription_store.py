from __future__ import annotations

from tests.mutants.harness import MutantSuite
from tests.mutants.subscription_store import MUTANTS
from tests.stores import READ_STORES
from twofold.testing.conformance import SubscriptionStoreSuite


class TestMutants(MutantSuite):
    """Broken subscription stores."""

    suite = SubscriptionStoreSuite
    mutants = MUTANTS
    kinds = READ_STORES
