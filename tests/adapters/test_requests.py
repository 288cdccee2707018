from __future__ import annotations

import pytest

from tests.brokers import REQUESTS
from twofold.testing.conformance import RequestsSuite


@pytest.fixture(params=REQUESTS)
def kind(request: pytest.FixtureRequest) -> str:
    """Name the adapter of a test."""
    return str(request.param)


class TestRequests(RequestsSuite):
    """Requests and replies, over every broker that carries them."""
