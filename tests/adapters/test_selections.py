from __future__ import annotations

from tests.stores import READ_STORES
from twofold.testing.conformance import SelectionsSuite


class TestSelections(SelectionsSuite):
    """Finding the rows of read models, on every adapter."""

    kinds = READ_STORES
