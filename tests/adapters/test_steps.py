from __future__ import annotations

from tests.stores import STORES
from twofold.testing.conformance import StepSuite


class TestSteps(StepSuite):
    """Durable steps, on every adapter."""

    kinds = STORES
