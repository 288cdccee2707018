from __future__ import annotations

from twofold.testing.conformance import SubscriptionSuite
from twofold.testing.conformance.mutants._harness import MutantSuite
from twofold.testing.conformance.mutants._holding import HOLDING


class TestMutants(MutantSuite):
    """Stores on which events that wait for a next try go wrong, over every adapter."""

    suite = SubscriptionSuite
    mutants = HOLDING
