from __future__ import annotations

from twofold.testing.conformance import RebuildSuite
from twofold.testing.conformance.mutants._harness import MutantSuite
from twofold.testing.conformance.mutants._rebuilds import REBUILDS


class TestMutants(MutantSuite):
    """Stores on which a rebuild goes wrong, over every adapter."""

    suite = RebuildSuite
    mutants = REBUILDS
