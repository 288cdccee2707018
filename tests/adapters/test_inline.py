from __future__ import annotations

from tests.stores import STORES
from twofold.testing.conformance import InlineRecordSuite, InlineSuite


class TestInlineRecords(InlineRecordSuite):
    """The records of inline projections, on every adapter."""

    kinds = STORES


class TestInline(InlineSuite):
    """Inline projections, on every adapter."""

    kinds = STORES
