from __future__ import annotations

from tests.mutants.harness import MutantSuite
from tests.mutants.holding import HOLDING, REBUILDS
from twofold.testing.conformance import RebuildSuite, SubscriptionSuite


class TestMutants(MutantSuite):
    """Stores on which events that wait for a next try go wrong."""

    suite = SubscriptionSuite
    mutants = HOLDING


class TestRebuildMutants(MutantSuite):
    """Stores on which a rebuild goes wrong with events that wait."""

    suite = RebuildSuite
    mutants = REBUILDS
