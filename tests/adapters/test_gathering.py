from __future__ import annotations

from tests.brokers import REQUESTS
from twofold.testing.conformance import GatheringSuite


class TestGathering(GatheringSuite):
    """Scatter-gather, over every broker that carries requests."""

    kinds = REQUESTS
