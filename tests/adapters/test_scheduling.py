from __future__ import annotations

from tests.stores import STORES
from twofold.testing.conformance import SchedulerSuite


class TestScheduling(SchedulerSuite):
    """Commands that are dispatched later, on every adapter."""

    kinds = STORES
