from __future__ import annotations

from tests.stores import STORES
from twofold.testing.conformance import StateSuite


class TestState(StateSuite):
    """The state of aggregates, on every adapter."""

    kinds = STORES
