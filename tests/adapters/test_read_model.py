from __future__ import annotations

from tests.stores import on_pairs
from twofold.testing.conformance import ReadModelSuite


@on_pairs
class TestReadModel(ReadModelSuite):
    """Read models in an application, on every adapter."""
