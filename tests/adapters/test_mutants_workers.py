from __future__ import annotations

from twofold.testing.conformance import WorkerSuite
from twofold.testing.conformance.mutants._harness import MutantSuite
from twofold.testing.conformance.mutants._workers import WORKERS


class TestMutants(MutantSuite):
    """Stores that let workers get in each other's way, over every adapter."""

    suite = WorkerSuite
    mutants = WORKERS
