from __future__ import annotations

from tests.stores import PAIRS
from twofold.testing.conformance import LiveQuerySuite


class TestLiveQueries(LiveQuerySuite):
    """Live queries, on every adapter."""

    kinds = PAIRS
