from __future__ import annotations

from tests.hints import HINTS
from twofold.testing.conformance import HintsSuite


class TestHints(HintsSuite):
    """Announcing and listening, over every adapter."""

    kinds = HINTS
