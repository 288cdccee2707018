from __future__ import annotations

from tests.stores import on_pairs
from twofold.testing.conformance import RebuildSuite


@on_pairs
class TestRebuilds(RebuildSuite):
    """Rebuilding a projection, on every adapter."""
