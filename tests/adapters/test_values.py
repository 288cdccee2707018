from __future__ import annotations

from tests.stores import READ_STORES, STORES
from twofold.testing.conformance import RowValuesSuite, ValuesSuite


class TestValues(ValuesSuite):
    """Values of events, states, scheduled commands and results, on every adapter."""

    kinds = STORES


class TestRowValues(RowValuesSuite):
    """Values of rows, on every adapter."""

    kinds = READ_STORES
