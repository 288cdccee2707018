from __future__ import annotations

from tests.stores import STORES
from twofold.testing.conformance import UniqueValueSuite


class TestUniqueValues(UniqueValueSuite):
    """Unique values, on every adapter."""

    kinds = STORES
