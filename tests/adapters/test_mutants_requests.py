from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from tests.brokers import REQUESTS, open_requests
from tests.mutants.requests import REQUESTS as BROKEN
from tests.mutants.requests_leaving import Broker
from tests.mutants.transport_harness import BrokerMutantSuite
from twofold.testing.conformance import RequestsSuite


@pytest.fixture
def new_broker(kind: str, request: pytest.FixtureRequest) -> Callable[[], AbstractAsyncContextManager[Any]]:
    """Give a function that opens a broker on which nobody has served."""
    return lambda: open_requests(kind, request)


class TestMutants(BrokerMutantSuite):
    """Brokers that mix up, lose or reorder requests."""

    suite = RequestsSuite
    mutants = BROKEN
    kinds = REQUESTS
    unbroken = Broker
