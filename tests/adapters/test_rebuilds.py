from __future__ import annotations

from tests.stores import PAIRS
from twofold.testing.conformance import RebuildSuite


class TestRebuilds(RebuildSuite):
    """Rebuilding a projection, on every adapter."""

    kinds = PAIRS
