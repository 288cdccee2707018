"""The hints that tests run over: in memory on both event loops, and on Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from redis.asyncio import Redis

from twofold.ports import Hints
from twofold_memory import InMemoryHints
from twofold_redis import RedisHints

HINTS = ("memory-asyncio", "memory-trio", "redis")


def open_hints(kind: str, request: pytest.FixtureRequest) -> AbstractAsyncContextManager[Hints]:
    """Open hints of a kind that nobody else uses."""
    if kind == "redis":
        return _redis(request.getfixturevalue("redis_url"), request.getfixturevalue("new_prefix")())
    return _in_memory()


@asynccontextmanager
async def _in_memory() -> AsyncIterator[Hints]:
    yield InMemoryHints()


@asynccontextmanager
async def _redis(url: str, prefix: str) -> AsyncIterator[Hints]:
    async with Redis.from_url(url) as client:
        yield RedisHints(client, prefix=prefix)
