"""Requests wait for a connection of the client's pool, however many run at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from redis.asyncio import BlockingConnectionPool, ConnectionPool
from redis.asyncio import Redis as Client

from twofold.errors import TransientFailure
from twofold.ports import Backoff, Cached, CacheKey, CacheLease, Position
from twofold.testing.conformance._domain.row_samples import Task
from twofold.testing.conformance._tools.in_time import in_time, until
from twofold.testing.conformance._tools.opened import reading
from twofold_redis import Redis
from twofold_redis._server import connections

POOLS = pytest.mark.parametrize("pool", [ConnectionPool, BlockingConnectionPool])
"""redis-py's default pool raises an error if no connection is free; the other one waits."""


@pytest.fixture
async def small(pool: type[ConnectionPool], redis_url: str) -> AsyncIterator[Client]:
    """A client with three connections."""
    client = Client(connection_pool=pool.from_url(redis_url, max_connections=3))
    yield client
    await client.aclose()
    await client.connection_pool.disconnect()


async def read(store: Redis) -> list[Task]:
    """Read one row, which is not there."""
    async with reading(store) as transaction:
        return list((await transaction.rows(Task).get_many(["1"])).values())


@POOLS
async def test_four_hundred_reads_share_three_connections(small: Client, store: Redis, prefix: str) -> None:
    """Concurrent reads wait for a connection, and none fails."""
    redis = Redis(small, prefix=prefix)
    with in_time():
        assert await asyncio.gather(*[read(redis) for _ in range(400)]) == [[]] * 400


@POOLS
async def test_the_parts_of_a_store_share_the_connections(small: Client, store: Redis, prefix: str) -> None:
    """Rows, the cache and the notifier use the same connections, and all of their requests are answered."""
    redis = Redis(small, prefix=prefix)
    cache, notifier = redis.cache(timeout=30), redis.notifier()

    async def fill(number: int) -> None:
        lease = await cache.lookup(key := CacheKey("query", str(number)))
        assert isinstance(lease, CacheLease)
        await cache.fill(lease, Cached("1", Position(1), "log"), seconds=60)
        await asyncio.gather(cache.invalidate([key]), cache.invalidate_queries(["query"]))

    calls = [work for number in range(40) for work in (fill(number), read(redis), notifier.announce("log", "x"))]
    with in_time():
        await asyncio.gather(*calls)


@pytest.mark.parametrize("pool", [ConnectionPool])
async def test_a_connection_that_another_user_holds_is_waited_for(
    small: Client, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request waits while the user's own code holds every connection, and runs when one is released."""
    redis, refusals = Redis(small, prefix=prefix), []

    def pause(delays: Backoff) -> float:
        refusals.append(delays)
        return 0.01

    monkeypatch.setattr(Backoff, "next", pause)
    async with AsyncExitStack() as held:
        for _ in range(3):
            await held.enter_async_context(listening := small.pubsub())
            await listening.subscribe("anything")
        waiting = asyncio.create_task(read(redis))
        await until(lambda: len(refusals) > 2, "the request was to be refused a connection")
        assert not waiting.done()
    with in_time():
        assert await waiting == []


@pytest.mark.parametrize("pool", [ConnectionPool])
async def test_a_request_does_not_wait_for_ever(small: Client, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request fails with advice if other users never release a connection."""
    monkeypatch.setattr(connections, "LONGEST_WAIT", 0.01)
    async with AsyncExitStack() as held:
        for _ in range(3):
            await held.enter_async_context(listening := small.pubsub())
            await listening.subscribe("anything")
        with pytest.raises(TransientFailure, match="Raise max_connections"):
            await read(Redis(small, prefix=prefix))


@pytest.mark.parametrize("pool", [ConnectionPool])
async def test_a_cancelled_request_leaves_its_turn(small: Client, prefix: str) -> None:
    """Requests that are cancelled while they wait do not reduce the number of concurrent requests."""
    redis = Redis(small, prefix=prefix)
    for _ in range(5):
        reads = [asyncio.create_task(read(redis)) for _ in range(20)]
        await asyncio.sleep(0)
        for waiting in reads[3:]:
            waiting.cancel()
        await asyncio.gather(*reads, return_exceptions=True)
    with in_time():
        assert await asyncio.gather(*[read(redis) for _ in range(20)]) == [[]] * 20
