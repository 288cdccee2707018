from __future__ import annotations

import pytest

from tests.brokers import BROKERS
from twofold.testing.conformance import TransportSuite


@pytest.fixture(params=BROKERS)
def kind(request: pytest.FixtureRequest) -> str:
    """Name the adapter of a test."""
    return str(request.param)


class TestTransport(TransportSuite):
    """Publishing, receiving, sharing and parking, over every broker."""
