"""The process of `lab.Worker`."""

from __future__ import annotations

import asyncio
import sys

from redis.asyncio import Redis

from tests.adapters.redis_streams.lab import FEED, HANDLED, streams


async def main(url: str, seconds: float) -> None:
    """Handle messages until the process is killed."""
    async with streams(url) as transport, Redis.from_url(url) as client, transport.consume(FEED) as consumer:
        while True:
            for delivery in await consumer.receive(limit=10):
                await client.rpush(HANDLED, delivery.message.id)
                await asyncio.sleep(seconds)
                await consumer.accept([delivery])


asyncio.run(main(sys.argv[1], float(sys.argv[2])))
