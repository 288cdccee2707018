from __future__ import annotations

from tests.stores import STORES
from twofold.testing.conformance import HistorySuite


class TestHistory(HistorySuite):
    """The history of aggregates and events, on every adapter."""

    kinds = STORES
