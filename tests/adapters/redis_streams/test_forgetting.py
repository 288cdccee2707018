"""Deleting a consumer: it leaves nothing behind, and a receiving consumer is not deleted."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from tests.adapters.redis_streams.lab import FEED, Reader, messages, publish, streams
from tests.servers.process import PrivateServer
from twofold.errors import ConfigurationError
from twofold.ports import Feed


async def test_deleting_the_only_consumer_leaves_nothing(server: PrivateServer, client: Redis) -> None:
    """Deleting the last consumer deletes its settled, unsettled and parked messages.

    Only the number of streams stays.
    """
    async with streams(server.url) as transport:
        async with transport.consume(FEED) as consumer:
            await publish(transport, messages(300))
            await Reader().take(consumer, 200)
            await consumer.park((await consumer.receive())[0], "bad")
        assert await transport.delete_consumer("mail")
        assert await client.keys() == [b"{twofold}:partitions"]
        assert not await transport.delete_consumer("mail")


async def test_another_consumer_keeps_its_messages(server: PrivateServer, client: Redis) -> None:
    """Other consumers keep their waiting messages. Messages for the deleted consumer only are unroutable."""
    other = Feed(consumer="stock", topics=FEED.topics)
    async with streams(server.url) as transport:
        await transport.declare(FEED)
        await transport.declare(other)
        await publish(transport, messages(100))
        assert await transport.delete_consumer("mail")
        assert await transport.waiting(other) == 100
        async with transport.consume(other) as consumer:
            await Reader().take(consumer, 100)


async def test_a_consumer_that_receives_is_not_deleted(server: PrivateServer) -> None:
    """Deleting a consumer with a receiving process is refused.

    Otherwise its group would be created again and redeliver all messages.
    """
    async with streams(server.url) as transport:
        async with transport.consume(FEED) as consumer:
            await publish(transport, messages(10))
            reader = Reader()
            await reader.take(consumer, 10)
            with pytest.raises(ConfigurationError, match=r"1 process\(es\) receive"):
                await transport.delete_consumer("mail")
            await publish(transport, messages(10, start=10))
            await reader.take(consumer, 20)
        assert await transport.delete_consumer("mail")
