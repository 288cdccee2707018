from __future__ import annotations

from tests.stores import STORES
from twofold.testing.conformance import ScheduleSuite


class TestSchedule(ScheduleSuite):
    """The schedule of a store, on every adapter."""

    kinds = STORES
