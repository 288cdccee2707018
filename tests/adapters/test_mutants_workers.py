from __future__ import annotations

from tests.mutants.harness import MutantSuite
from tests.mutants.workers import WORKERS
from twofold.testing.conformance import WorkerSuite


class TestMutants(MutantSuite):
    """Stores that let workers get in each other's way."""

    suite = WorkerSuite
    mutants = WORKERS
