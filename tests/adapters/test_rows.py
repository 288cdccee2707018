from __future__ import annotations

from tests.stores import READ_STORES
from twofold.testing.conformance import RowsSuite


class TestRows(RowsSuite):
    """The rows of read models, on every adapter."""

    kinds = READ_STORES
