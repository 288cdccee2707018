from __future__ import annotations

from twofold.testing.conformance import SnapshotSuite


class TestSnapshots(SnapshotSuite):
    """Snapshots, on every adapter."""
