"""A RabbitMQ that tests may stop, kill and pause."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.adapters.rabbitmq.broken import Broken
from tests.servers.process import PrivateServer
from tests.servers.proxy import Proxy
from tests.servers.rabbitmq import RabbitMQServer


@pytest.fixture
def anyio_backend() -> str:
    """The adapter runs on asyncio only."""
    return "asyncio"


@pytest.fixture(scope="module")
def server() -> Iterator[PrivateServer]:
    """Give a server of our own, one for all the tests of a module: each takes seconds to start."""
    kind = RabbitMQServer()
    if not kind.installed():
        pytest.skip(f"needs {kind.programs}")
    server = kind.private()
    try:
        yield server
    finally:
        server.remove()


@pytest.fixture
async def network(server: PrivateServer) -> AsyncIterator[Proxy]:
    """Give a network between us and the server."""
    network = Proxy(server.url)
    async with network.running():
        yield network


@pytest.fixture
async def broken(server: PrivateServer) -> AsyncIterator[Broken]:
    """Give what connects to the server, under a prefix of its own."""
    async with Broken(server) as broken:
        yield broken
