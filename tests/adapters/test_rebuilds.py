from __future__ import annotations

from twofold.testing.conformance import RebuildSuite


class TestRebuilds(RebuildSuite):
    """Rebuilding a projection, on every adapter."""
