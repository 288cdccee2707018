"""Clients with other settings: their encoding and decoding do not matter."""

from __future__ import annotations

from typing import Any

import pytest
from redis.asyncio import Redis

from tests.adapters.redis_streams.lab import FEED
from tests.servers.process import PrivateServer
from twofold.ports import Outcome, ParkedDelivery, WireMessage
from twofold.testing.conformance._tools.in_time import in_time
from twofold_redis import RedisStreams

MESSAGE = WireMessage("ü-1", "shop.placed", "ß☕", "{naïve ☕ 日本語}".encode())


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize(
    "options", [{"decode_responses": True}, {"encoding": "latin-1"}, {"single_connection_client": True}]
)
async def test_any_client_will_do(server: PrivateServer, options: dict[str, Any], protocol: int) -> None:
    """Messages, keys and reasons arrive as they were, and others understand them."""
    async with Redis.from_url(server.url, protocol=protocol, **options) as client, Redis.from_url(server.url) as plain:
        ours, theirs = RedisStreams(client, idle=1.0), RedisStreams(plain, idle=1.0)
        with in_time():
            for sender, receiver in ((ours, theirs), (theirs, ours)):
                await sender.open()
                await sender.declare(FEED)
                assert await sender.publisher.publish([MESSAGE]) == [Outcome.CONFIRMED]
                assert await receiver.waiting(FEED) == 1
                async with receiver.consume(FEED) as consumer:
                    (found,) = await consumer.receive()
                    assert found.message == MESSAGE
                    await consumer.park(found, "naïve ☕ \ud800")
                assert await sender.parked("mail") == [ParkedDelivery(MESSAGE, "naïve ☕ \\ud800")]
                assert await sender.unpark("mail", [MESSAGE.id], again=True) == 1
                async with sender.consume(FEED) as consumer:
                    (found,) = await consumer.receive()
                    assert found.message == MESSAGE
                    await consumer.accept([found])
                assert await receiver.waiting(FEED) == 0
