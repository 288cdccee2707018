"""Fixtures for the tests of the Redis adapter."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from redis.asyncio import Redis as Client

from tests.servers.process import PrivateServer
from tests.servers.redis import Redis as Kind
from twofold_redis import Redis


@pytest.fixture
def anyio_backend() -> str:
    """The adapter runs on asyncio only."""
    return "asyncio"


@pytest.fixture
def prefix(new_prefix: Callable[[], str]) -> str:
    """The prefix of the keys of this test."""
    return new_prefix()


@pytest.fixture
async def client(redis_url: str, prefix: str) -> AsyncIterator[Client]:
    """A client of a shared server. The keys of the test are deleted afterwards."""
    async with Client.from_url(redis_url) as client:
        yield client
        async for key in client.scan_iter(match=f"*{prefix}*", count=10_000):
            await client.unlink(key)


@pytest.fixture
def store(client: Client, prefix: str) -> Redis:
    """An empty store."""
    return Redis(client, prefix=prefix)


@pytest.fixture
def server() -> Iterator[PrivateServer]:
    """A server of our own, which may be stopped and killed."""
    kind = Kind()
    if not kind.installed():
        pytest.skip(f"no private server: {kind.programs} is not installed")
    server = kind.private()
    try:
        yield server
    finally:
        server.remove()
