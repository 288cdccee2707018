from __future__ import annotations

from tests.brokers import BROKERS
from tests.mutants.transport import BROKERS as BROKEN
from tests.mutants.transport import Broker
from tests.mutants.transport_consumers import CONSUMERS
from tests.mutants.transport_harness import BrokerMutantSuite
from twofold.testing.conformance import TransportSuite


class QuickSuite(TransportSuite):
    """The same cases with fewer messages."""

    published = 300
    processes = 5
    in_order = 100


class TestMutants(BrokerMutantSuite):
    """Broken brokers and consumers."""

    suite = QuickSuite
    mutants = (*BROKEN, *CONSUMERS)
    kinds = BROKERS
    unbroken = Broker
