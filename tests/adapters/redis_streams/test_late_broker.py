"""Applications that start while Redis is unavailable, or that Redis refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis as Client

from tests.servers.process import PrivateServer
from tests.transport.late import Connect, LateBrokerCases, selling
from twofold.errors import ConfigurationError
from twofold.ports import Transport
from twofold_redis import RedisStreams


@pytest.fixture
async def connect(server: PrivateServer) -> AsyncIterator[Connect]:
    """Return a function that creates transports with separate clients, as separate processes would."""
    clients: list[Client] = []

    def make() -> Transport:
        clients.append(Client.from_url(server.url))
        return RedisStreams(clients[-1], idle=1.0, timeout=2.0, partitions=2)

    yield make
    for client in clients:
        await client.aclose()


class Stop:
    """Stops and starts a server."""

    def __init__(self, server: PrivateServer) -> None:
        self._server = server

    async def begin(self) -> None:
        """Stop it."""
        await asyncio.to_thread(self._server.stop)

    async def end(self) -> None:
        """Start it, if it is stopped."""
        if not self._server.answers(self._server.url):
            await asyncio.to_thread(self._server.start)


@pytest.fixture
async def outage(server: PrivateServer) -> AsyncIterator[Stop]:
    """Stop the server, and start it at the end of the test."""
    outage = Stop(server)
    yield outage
    await outage.end()


class TestLateBroker(LateBrokerCases):
    """Over Redis Streams."""


async def test_another_number_of_streams_is_refused(server: PrivateServer, client: Client) -> None:
    """When the application starts, and the broker answers."""
    async with selling(RedisStreams(client, partitions=2)):
        pass
    with pytest.raises(ConfigurationError, match="partitions=2"):
        async with selling(RedisStreams(client, partitions=4)):
            pass
