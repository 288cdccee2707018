from __future__ import annotations

from tests.stores import on_read_stores
from twofold.testing.conformance import RowsSuite


@on_read_stores
class TestRows(RowsSuite):
    """The rows of read models, on every adapter."""
