from __future__ import annotations

from twofold.testing.conformance import IdempotencySuite
from twofold.testing.conformance.mutants._harness import MutantSuite
from twofold.testing.conformance.mutants._records import IDEMPOTENCY


class TestMutants(MutantSuite):
    """Broken records of what was done once, over every adapter."""

    suite = IdempotencySuite
    mutants = IDEMPOTENCY
