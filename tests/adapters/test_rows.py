from __future__ import annotations

from twofold.testing.conformance import RowsSuite


class TestRows(RowsSuite):
    """The rows of read models, on every adapter."""
