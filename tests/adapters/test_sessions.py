from __future__ import annotations

from tests.stores import on_pairs
from twofold.testing.conformance import SessionSuite


@on_pairs
class TestSessions(SessionSuite):
    """Sessions, on every adapter."""
