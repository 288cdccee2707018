from __future__ import annotations

from tests.stores import STORES
from twofold.testing.conformance import SnapshotSuite


class TestSnapshots(SnapshotSuite):
    """Snapshots, on every adapter."""

    kinds = STORES
