from __future__ import annotations

from tests.mutants.harness import MutantSuite
from tests.mutants.rebuilds import REBUILDS
from twofold.testing.conformance import RebuildSuite


class TestMutants(MutantSuite):
    """Stores on which a rebuild goes wrong."""

    suite = RebuildSuite
    mutants = REBUILDS
