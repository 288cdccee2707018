from __future__ import annotations

from tests.stores import STORES
from twofold.testing.conformance import BoundarySuite


class TestBoundaries(BoundarySuite):
    """Dynamic consistency boundaries, on every adapter."""

    kinds = STORES
