from __future__ import annotations

from twofold.testing.conformance import SnapshotSuite
from twofold.testing.conformance.mutants._harness import MutantSuite
from twofold.testing.conformance.mutants._snapshots import SNAPSHOTS


class TestMutants(MutantSuite):
    """Broken snapshots, over every adapter."""

    suite = SnapshotSuite
    mutants = SNAPSHOTS
