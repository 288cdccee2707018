"""Publish and consume with FastStream: python faststream_rabbitmq.py URL MESSAGES PAGE KEYS PREFETCH ROUNDS BODY.

It runs in the peer's own environment and prints the messages per second that were published and confirmed, and those that
were consumed and acknowledged: the median of the rounds.
"""

from __future__ import annotations

import asyncio
import sys
import time
from statistics import median
from uuid import uuid4

from faststream.rabbit import Channel, ExchangeType, QueueType, RabbitBroker, RabbitExchange, RabbitQueue

TOPIC = "bench.placed"


async def main(url: str, messages: int, page: int, keys: int, prefetch: int, rounds: int, body: bytes) -> None:
    name = f"twofold-bench-{uuid4().hex[:8]}"
    exchange = RabbitExchange(name, type=ExchangeType.TOPIC, durable=True)
    queue = RabbitQueue(
        name,
        queue_type=QueueType.QUORUM,
        durable=True,
        routing_key=f"*.{TOPIC}",
        arguments={"x-single-active-consumer": True},
    )

    async def publish(broker: RabbitBroker) -> None:
        for first in range(0, messages, page):
            await asyncio.gather(
                *(
                    broker.publish(
                        body,
                        exchange=exchange,
                        routing_key=f"{each % 64}.{TOPIC}",
                        persist=True,
                        headers={"key": f"k{each % keys}"},
                        content_type="application/cloudevents+json",
                        message_id=f"{uuid4()}",
                        message_type=TOPIC,
                    )
                    for each in range(first, first + page)
                )
            )

    async def consume() -> float:
        left, done = messages, asyncio.Event()
        broker = RabbitBroker(url, logger=None)

        async def receive(body: bytes) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                done.set()

        broker.subscriber(queue, exchange, channel=Channel(prefetch_count=prefetch))(receive)
        started = time.perf_counter()
        async with broker:
            await broker.start()
            await done.wait()
            return messages / (time.perf_counter() - started)

    publishing, consuming = [], []
    async with RabbitBroker(url, logger=None) as broker:
        declared = await broker.declare_queue(queue)
        await declared.bind(await broker.declare_exchange(exchange), routing_key=f"*.{TOPIC}")
        for _ in range(rounds):
            started = time.perf_counter()
            await publish(broker)
            publishing.append(messages / (time.perf_counter() - started))
            consuming.append(await consume())
        await declared.delete(if_unused=False, if_empty=False)
        await (await broker.declare_exchange(exchange)).delete()
    print(median(publishing), median(consuming))


if __name__ == "__main__":
    url, messages, page, keys, prefetch, rounds, body = sys.argv[1:]
    asyncio.run(main(url, int(messages), int(page), int(keys), int(prefetch), int(rounds), body.encode()))
