from __future__ import annotations

from tests.stores import READ_STORES
from twofold.testing.conformance import NamesSuite


class TestNames(NamesSuite):
    """The names of views, fields, indexes and subscriptions, on every adapter."""

    kinds = READ_STORES
