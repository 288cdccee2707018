from __future__ import annotations

from tests.stores import on_read_stores
from twofold.testing.conformance import SelectionsSuite


@on_read_stores
class TestSelections(SelectionsSuite):
    """Finding the rows of read models, on every adapter."""
