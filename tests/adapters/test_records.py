from __future__ import annotations

from tests.stores import STORES
from twofold.testing.conformance import RecordSuite


class TestRecords(RecordSuite):
    """Keys and messages, on every adapter."""

    kinds = STORES
