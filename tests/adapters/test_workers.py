from __future__ import annotations

from tests.stores import PAIRS
from twofold.testing.conformance import WorkerSuite


class TestWorkers(WorkerSuite):
    """Workers that share a subscription, on every adapter."""

    kinds = PAIRS
