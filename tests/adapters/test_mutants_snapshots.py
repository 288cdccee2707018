from __future__ import annotations

from tests.mutants.harness import MutantSuite
from tests.mutants.snapshots import SNAPSHOTS
from twofold.testing.conformance import SnapshotSuite


class TestMutants(MutantSuite):
    """Broken snapshots."""

    suite = SnapshotSuite
    mutants = SNAPSHOTS
