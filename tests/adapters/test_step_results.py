from __future__ import annotations

from tests.stores import STORES
from twofold.testing.conformance import StepResultSuite


class TestStepResults(StepResultSuite):
    """Outcomes of durable steps, on every adapter."""

    kinds = STORES
