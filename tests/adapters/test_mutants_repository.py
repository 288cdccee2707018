from __future__ import annotations

from tests.mutants.harness import MutantSuite
from tests.mutants.repository import REPOSITORY
from twofold.testing.conformance import RepositorySuite


class TestMutants(MutantSuite):
    """Stores that break repositories."""

    suite = RepositorySuite
    mutants = REPOSITORY
