from __future__ import annotations

from tests.stores import PAIRS
from twofold.testing.conformance import FailoverSuite


class TestFailovers(FailoverSuite):
    """A log that lost events, on every adapter."""

    kinds = PAIRS
