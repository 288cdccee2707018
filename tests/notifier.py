"""The notifications that tests run over: in memory on both event loops, and on Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from redis.asyncio import Redis

from twofold.ports import Notifier
from twofold_memory import InMemoryNotifier
from twofold_redis import RedisNotifier

HINTS = ("memory-asyncio", "memory-trio", "redis")


def open_notifier(kind: str, request: pytest.FixtureRequest) -> AbstractAsyncContextManager[Notifier]:
    """Open notifications of a kind that no other test uses."""
    if kind == "redis":
        return _redis(request.getfixturevalue("redis_url"), request.getfixturevalue("new_prefix")())
    return _in_memory()


@asynccontextmanager
async def _in_memory() -> AsyncIterator[Notifier]:
    yield InMemoryNotifier()


@asynccontextmanager
async def _redis(url: str, prefix: str) -> AsyncIterator[Notifier]:
    async with Redis.from_url(url) as client:
        yield RedisNotifier(client, prefix=prefix)
