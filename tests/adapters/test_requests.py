from __future__ import annotations

from tests.brokers import REQUESTS
from twofold.testing.conformance import RequestsSuite


class TestRequests(RequestsSuite):
    """Requests and replies, over every broker that carries them."""

    kinds = REQUESTS
