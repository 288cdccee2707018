from __future__ import annotations

from tests.notifier import HINTS
from twofold.testing.conformance import NotifierSuite


class TestNotifier(NotifierSuite):
    """Announcing and listening, over every adapter."""

    kinds = HINTS
