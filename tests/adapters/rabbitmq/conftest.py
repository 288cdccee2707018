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


@pytest.fixture(scope="session")
def private_server() -> Iterator[PrivateServer]:
    """Start one server for all these tests, because each start takes seconds of CPU."""
    kind = RabbitMQServer()
    if not kind.installed():
        pytest.skip(f"needs {kind.programs}")
    server = kind.private()
    try:
        yield server
    finally:
        server.remove()


@pytest.fixture
def server(private_server: PrivateServer) -> PrivateServer:
    """Return the server, which runs, even if an earlier test failed while the server was stopped."""
    if not private_server.answers(private_server.url):
        private_server.start()
    return private_server


@pytest.fixture
async def network(server: PrivateServer) -> AsyncIterator[Proxy]:
    """Give a network between the client and the server."""
    network = Proxy(server.url)
    async with network.running():
        yield network


@pytest.fixture
async def broken(server: PrivateServer) -> AsyncIterator[Broken]:
    """Return functions that connect to the server, under a separate prefix."""
    async with Broken(server) as broken:
        yield broken
