from __future__ import annotations

from twofold.testing.conformance import RepositorySuite
from twofold.testing.conformance.mutants._harness import MutantSuite
from twofold.testing.conformance.mutants._repository import REPOSITORY


class TestMutants(MutantSuite):
    """Stores that break repositories, over every adapter."""

    suite = RepositorySuite
    mutants = REPOSITORY
