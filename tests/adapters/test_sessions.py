from __future__ import annotations

from twofold.testing.conformance import SessionSuite


class TestSessions(SessionSuite):
    """Sessions, on every adapter."""
