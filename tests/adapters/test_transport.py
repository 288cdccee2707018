from __future__ import annotations

from tests.brokers import BROKERS
from twofold.testing.conformance import TransportSuite


class TestTransport(TransportSuite):
    """Publishing, receiving, sharing and parking, over every broker."""

    kinds = BROKERS
