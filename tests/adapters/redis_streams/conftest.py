"""A private Redis for these tests, empty at the beginning of each."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis as Client

from tests.servers.finding import without
from tests.servers.process import PrivateServer
from tests.servers.redis import Redis


@pytest.fixture
def anyio_backend() -> str:
    """The driver knows asyncio only."""
    return "asyncio"


@pytest.fixture(scope="module")
def module_server() -> Iterator[PrivateServer]:
    """Start a Redis for the tests of a module."""
    if not Redis().installed():
        raise without(Redis(), os.environ)
    server = Redis().private()
    try:
        yield server
    finally:
        server.remove()


@pytest.fixture
async def server(module_server: PrivateServer) -> PrivateServer:
    """Give a Redis with nothing in it."""
    async with Client.from_url(module_server.url) as client:
        await client.flushall()
    return module_server


@pytest.fixture
async def client(server: PrivateServer) -> AsyncIterator[Client]:
    """Give a client that inspects the server."""
    async with Client.from_url(server.url) as client:
        yield client
