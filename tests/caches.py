"""The caches that tests run over: in memory on both event loops, and on Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from redis.asyncio import Redis

from twofold.ports import CacheStore
from twofold.testing.conformance._tools.in_time import CEILING
from twofold_memory import InMemoryCache
from twofold_redis import RedisCache

CACHES = ("memory-asyncio", "memory-trio", "redis")


def open_cache(kind: str, request: pytest.FixtureRequest) -> AbstractAsyncContextManager[CacheStore]:
    """Open a cache of a kind in which there is nothing yet."""
    if kind == "redis":
        return _redis(request.getfixturevalue("redis_url"), request.getfixturevalue("new_prefix")())
    return _in_memory()


@asynccontextmanager
async def _in_memory() -> AsyncIterator[CacheStore]:
    yield InMemoryCache()


@asynccontextmanager
async def _redis(url: str, prefix: str) -> AsyncIterator[CacheStore]:
    async with Redis.from_url(url) as client:
        try:
            yield RedisCache(client, prefix=prefix, timeout=CEILING)
        finally:
            async for key in client.scan_iter(f"{prefix}:*", count=10_000):
                await client.unlink(key)
