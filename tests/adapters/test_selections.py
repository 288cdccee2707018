from __future__ import annotations

from twofold.testing.conformance import SelectionsSuite


class TestSelections(SelectionsSuite):
    """Finding the rows of read models, on every adapter."""
