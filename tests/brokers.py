"""The brokers that tests run over: in memory on both event loops, and on each server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import aiormq
import pytest
from redis.asyncio import Redis

from twofold.ports import Answerer, Feed, Requests, Transport
from twofold.testing.conformance import Connect, ConnectRequests
from twofold.testing.conformance._tools.in_time import CEILING
from twofold_memory import InMemoryTransport
from twofold_rabbitmq import RabbitMQ
from twofold_rabbitmq._server import RabbitMQServer
from twofold_redis import RedisStreams

BROKERS = ("memory-asyncio", "memory-trio", "redis-streams", "rabbitmq")


IDLE = 10.0
"""Seconds after which other processes take over the streams of one that is silent. Those that leave give them back."""


def open_broker(kind: str, request: pytest.FixtureRequest) -> AbstractAsyncContextManager[Connect]:
    """Open a broker of a kind on which there is nothing yet."""
    if kind == "rabbitmq":
        return _rabbitmq(request.getfixturevalue("rabbitmq_url"), request.getfixturevalue("new_prefix")())
    if kind == "redis-streams":
        return _redis_streams(request.getfixturevalue("redis_url"), request.getfixturevalue("new_prefix")())
    assert kind.startswith("memory")
    return _in_memory()


@asynccontextmanager
async def _in_memory() -> AsyncIterator[Connect]:
    broker = InMemoryTransport()

    async def connect() -> Transport:
        return broker

    yield connect


@asynccontextmanager
async def _redis_streams(url: str, prefix: str) -> AsyncIterator[Connect]:
    async with AsyncExitStack() as clients:

        async def connect() -> Transport:
            client = await clients.enter_async_context(Redis.from_url(url))
            transport = RedisStreams(client, prefix=prefix, idle=IDLE, timeout=CEILING)
            await transport.open()
            return transport

        try:
            yield connect
        finally:
            async with Redis.from_url(url) as client:
                async for key in client.scan_iter(f"*{prefix}*", count=10_000):
                    await client.unlink(key)


class Declaring(RabbitMQ):
    """Remembers what was declared, so that nothing is left on a server that others use."""

    def __init__(self, url: str, prefix: str, declared: set[str]) -> None:
        super().__init__(url, prefix=prefix, timeout=CEILING)
        self._declared = declared

    async def declare(self, feed: Feed) -> None:
        """Declare a feed, and remember it."""
        self._declared.add(feed.consumer)
        await super().declare(feed)


@asynccontextmanager
async def _rabbitmq(url: str, prefix: str) -> AsyncIterator[Connect]:
    declared: set[str] = set()
    async with AsyncExitStack() as opened:
        opened.push_async_callback(_clean, url, prefix, declared)

        async def connect() -> Transport:
            transport = Declaring(url, prefix, declared)
            await transport.open()
            opened.push_async_callback(transport.close)
            return transport

        yield connect


async def _clean(url: str, prefix: str, declared: set[str]) -> None:
    """Delete what was declared."""
    transport = RabbitMQ(url, prefix=prefix)
    await transport.open()
    for consumer in declared:
        await transport.delete_consumer(consumer)
    await transport.close()
    await delete(url, [], [prefix])


async def delete(url: str, queues: Iterable[str], exchanges: Iterable[str]) -> None:
    """Delete what a test has left on a RabbitMQ."""
    async with aiormq.connect(url) as connection:
        channel = await connection.channel()
        for queue in queues:
            await channel.queue_delete(queue)
        for exchange in exchanges:
            await channel.exchange_delete(exchange)


REQUESTS = ("memory-asyncio", "memory-trio", "rabbitmq")


def open_requests(kind: str, request: pytest.FixtureRequest) -> AbstractAsyncContextManager[ConnectRequests]:
    """Open a broker of a kind on which no application has served yet."""
    if kind == "rabbitmq":
        return _requests_over_rabbitmq(request.getfixturevalue("rabbitmq_url"), request.getfixturevalue("new_prefix")())
    assert kind.startswith("memory")
    return _requests_in_memory()


@asynccontextmanager
async def _requests_in_memory() -> AsyncIterator[ConnectRequests]:
    broker = InMemoryTransport()

    async def connect() -> Requests:
        return broker

    yield connect


class Serving(RabbitMQ):
    """Remembers who served."""

    def __init__(self, url: str, prefix: str, served: set[str]) -> None:
        super().__init__(url, prefix=prefix, timeout=CEILING)
        self._served = served

    @asynccontextmanager
    async def serve(
        self, service: str, answer: Answerer, *, partitions: int = 1, concurrency: int = 16
    ) -> AsyncIterator[RabbitMQServer]:
        """Serve, and remember it."""
        self._served.add(service)
        async with super().serve(service, answer, partitions=partitions, concurrency=concurrency) as server:
            yield server


@asynccontextmanager
async def _requests_over_rabbitmq(url: str, prefix: str) -> AsyncIterator[ConnectRequests]:
    served: set[str] = set()
    async with AsyncExitStack() as opened:
        opened.push_async_callback(_clean_services, url, prefix, served)

        async def connect() -> Requests:
            transport = Serving(url, prefix, served)
            await transport.open()
            opened.push_async_callback(transport.close)
            return transport

        yield connect


async def _clean_services(url: str, prefix: str, served: set[str]) -> None:
    """Delete what was declared to serve."""
    async with RabbitMQ(url, prefix=prefix) as transport:
        for service in served:
            await transport.delete_service(service)
    await delete(url, [], [prefix, f"{prefix}:requests"])
