from __future__ import annotations

from tests.stores import on_pairs
from twofold.testing.conformance import WorkerSuite


@on_pairs
class TestWorkers(WorkerSuite):
    """Workers that share a subscription, on every adapter."""
