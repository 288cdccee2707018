from __future__ import annotations

from tests.mutants.harness import MutantSuite
from tests.mutants.records import IDEMPOTENCY
from twofold.testing.conformance import IdempotencySuite


class TestMutants(MutantSuite):
    """Broken records of what was done once."""

    suite = IdempotencySuite
    mutants = IDEMPOTENCY
