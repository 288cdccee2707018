from __future__ import annotations

from tests.stores import PAIRS
from twofold.testing.conformance import SessionSuite


class TestSessions(SessionSuite):
    """Sessions, on every adapter."""

    kinds = PAIRS
