from __future__ import annotations

from tests.stores import READ_STORES
from twofold.testing.conformance import FieldTypesSuite


class TestFieldTypes(FieldTypesSuite):
    """The types of fields, on every adapter."""

    kinds = READ_STORES
