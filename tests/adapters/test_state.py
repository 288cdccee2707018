from __future__ import annotations

from twofold.testing.conformance import StateSuite


class TestState(StateSuite):
    """The state of aggregates, on every adapter."""
