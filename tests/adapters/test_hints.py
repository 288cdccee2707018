from __future__ import annotations

import pytest

from tests.hints import HINTS
from twofold.testing.conformance import HintsSuite


@pytest.fixture(params=HINTS)
def kind(request: pytest.FixtureRequest) -> str:
    """Name the adapter of a test."""
    return str(request.param)


class TestHints(HintsSuite):
    """Announcing and listening, over every adapter."""
