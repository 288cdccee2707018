"""A consumer that is gone for good: nothing of it stays, and nobody who receives is forgotten."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from tests.adapters.redis_streams.lab import FEED, Reader, messages, publish, streams
from tests.servers.process import PrivateServer
from twofold.errors import ConfigurationError
from twofold.ports import Feed


async def test_the_only_consumer_leaves_nothing(server: PrivateServer, client: Redis) -> None:
    """With the last consumer its messages go, settled or not, parked ones too; only the number of streams stays."""
    async with streams(server.url) as transport:
        async with transport.consume(FEED) as consumer:
            await publish(transport, messages(300))
            await Reader().take(consumer, 200)
            await consumer.park((await consumer.receive())[0], "bad")
        assert await transport.forget("mail")
        assert await client.keys() == [b"{twofold}:partitions"]
        assert not await transport.forget("mail")


async def test_another_consumer_keeps_what_it_needs(server: PrivateServer, client: Redis) -> None:
    """What waits for somebody else is still there, and what only the forgotten one wanted is unroutable."""
    other = Feed(consumer="stock", topics=FEED.topics)
    async with streams(server.url) as transport:
        await transport.declare(FEED)
        await transport.declare(other)
        await publish(transport, messages(100))
        assert await transport.forget("mail")
        assert await transport.waiting(other) == 100
        async with transport.consume(other) as consumer:
            await Reader().take(consumer, 100)


async def test_who_receives_is_not_forgotten(server: PrivateServer) -> None:
    """While a process receives, it is said; otherwise the group would be made anew, and everything come again."""
    async with streams(server.url) as transport:
        async with transport.consume(FEED) as consumer:
            await publish(transport, messages(10))
            reader = Reader()
            await reader.take(consumer, 10)
            with pytest.raises(ConfigurationError, match=r"1 process\(es\) receive"):
                await transport.forget("mail")
            await publish(transport, messages(10, start=10))
            await reader.take(consumer, 20)
        assert await transport.forget("mail")
