from __future__ import annotations

import pytest

from tests.brokers import BROKERS
from twofold.testing.conformance import TransportSuite
from twofold.testing.conformance.mutants._transport import BROKERS as BROKEN
from twofold.testing.conformance.mutants._transport import Broker
from twofold.testing.conformance.mutants._transport_consumers import CONSUMERS
from twofold.testing.conformance.mutants._transport_harness import BrokerMutantSuite


@pytest.fixture(params=BROKERS)
def kind(request: pytest.FixtureRequest) -> str:
    """Name the adapter of a test."""
    return str(request.param)


class QuickSuite(TransportSuite):
    """The same cases with fewer messages."""

    published = 300
    processes = 5
    in_order = 100


class TestMutants(BrokerMutantSuite):
    """Broken brokers and consumers, over every adapter."""

    suite = QuickSuite
    mutants = (*BROKEN, *CONSUMERS)
    unbroken = Broker
