from __future__ import annotations

from tests.stores import PAIRS
from twofold.testing.conformance import ReadModelSuite


class TestReadModel(ReadModelSuite):
    """Read models in an application, on every adapter."""

    kinds = PAIRS
