from __future__ import annotations

from tests.stores import STORES
from twofold.testing.conformance import EventLogSuite


class TestEventLog(EventLogSuite):
    """The event log, on every adapter."""

    kinds = STORES
