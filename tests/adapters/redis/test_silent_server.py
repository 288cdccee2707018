"""A Redis that accepts commands and never answers: reads end in time, and the connection is not used again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from redis.asyncio import Redis as Client

from tests.servers.proxy import Proxy
from twofold.errors import ConfigurationError, TransientFailure
from twofold.testing.conformance._domain.row_samples import Task
from twofold.testing.conformance._tools.in_time import in_time
from twofold_redis import Redis

LIMIT = 1.0
"""Seconds that Redis may take for an answer."""

SOON = 30.0
"""Seconds in which a call ends on a busy machine. Without a limit it would never end."""


@pytest.fixture
async def network(redis_url: str) -> AsyncIterator[Proxy]:
    """Give a network to the server."""
    network = Proxy(redis_url)
    async with network.running():
        yield network


async def test_a_read_ends_in_time(network: Proxy, new_prefix: Callable[[], str]) -> None:
    """A client without a timeout of its own does not wait forever. The next read uses another connection."""
    async with Client.from_url(network.url, socket_timeout=None, max_connections=1) as client:
        store = Redis(client, prefix=new_prefix(), answer_timeout=LIMIT)
        assert await store.subscriptions.checkpoint("tasks") is None
        for _ in range(2):
            network.swallow()
            with in_time(SOON), pytest.raises(TransientFailure, match="no answer in time"):
                await store.subscriptions.checkpoint("tasks")
            assert await store.subscriptions.checkpoint("tasks") is None
        network.swallow()
        transaction = await store.begin(read_only=True)
        with in_time(SOON), pytest.raises(TransientFailure):
            await transaction.rows(Task).get_many(["a"])
        await transaction.rollback()
        assert await store.subscriptions.checkpoint("tasks") is None


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_a_limit_that_is_out_of_range(seconds: float) -> None:
    """It is refused when the store is created."""
    with pytest.raises(ConfigurationError, match="answer_timeout"):
        Redis(Client(), answer_timeout=seconds)
