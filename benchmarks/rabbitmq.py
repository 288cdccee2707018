"""Relaying, publishing and consuming with RabbitMQ, compared with aio-pika and with FastStream."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from typing import Self
from uuid import uuid4

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractIncomingMessage, AbstractQueue

from benchmarks._ratio import Ratio, as_fast, rates
from benchmarks.sqlite import Counted, encoded
from twofold import Application
from twofold.ports import Expected, Feed, Outcome, WireMessage
from twofold_memory import InMemory
from twofold_rabbitmq import RabbitMQ

MESSAGES, PAGE, KEYS, PREFETCH, ROUNDS = 10_000, 500, 1_000, 200, 5
RELAYED = 30_000  # an application starts and settles for each round
BODY = b'{"order_id":"o-123456","user_id":42,"lines":[{"sku":"table","quantity":1,"price":"129.90"}]}' * 4
TOPIC = "bench.placed"
PEER = Path(__file__).parents[1] / ".venv-peers" / "bin" / "python"
SERVER = os.environ.get("TWOFOLD_RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672/")


async def measure() -> AsyncIterator[Ratio]:
    """Measure with temporary exchanges and quorum queues."""
    async with AsyncExitStack() as opened:
        ours = await opened.enter_async_context(_Ours())
        raw = await opened.enter_async_context(_Raw())
        works = {
            "relay": ours.relay,
            "publish": ours.publish,
            "raw publish": raw.publish,
            "consume": ours.consume,
            "raw consume": raw.consume,
        }
        found = await rates(works, rounds=ROUNDS)
        sent = f"RabbitMQ: publish, pages of {PAGE} messages of {KEYS:,} keys, confirmed"
        received = f"RabbitMQ: consume, prefetch {PREFETCH}, acknowledged"
        yield as_fast(sent, "raw aio-pika, gathered", found["publish"], found["raw publish"], 0.8)
        relayed = f"RabbitMQ: relay of {RELAYED:,} events of {KEYS:,} streams, from a log in memory"
        yield as_fast(relayed, "raw aio-pika, gathered", found["relay"], found["raw publish"], 0.95)
        yield as_fast(received, "raw aio-pika, ack each", found["consume"], found["raw consume"], 0.7)
        if _peer_is_installed():
            publishing, consuming = await asyncio.to_thread(_peer)
            yield as_fast(sent, "FastStream, gathered", found["publish"], publishing, None)
            yield as_fast(received, "FastStream, ack each", found["consume"], consuming, None)


class _Ours:
    """Twofold's publisher and consumer."""

    def __init__(self) -> None:
        self._broker = RabbitMQ(SERVER, prefix=f"twofold-bench-{uuid4().hex[:8]}", window=PAGE, prefetch=PREFETCH)
        self._feed = Feed(consumer="bench", topics=(TOPIC,))
        self._store = InMemory()
        self._relays = count(1)

    async def __aenter__(self) -> Self:
        await self._broker.open()
        await self._broker.declare(self._feed)
        transaction = await self._store.begin()
        for number in range(RELAYED):
            await transaction.log.append(f"order/{number % KEYS}", [encoded(number)], expected=Expected.ANY)
        await transaction.commit()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._broker.delete_consumer(self._feed.consumer)
        await self._broker.close()

    async def relay(self) -> int:
        """Relay all events of the log, under a new name in each round."""
        feed = Feed(consumer="relayed", topics=("bench.counted",))
        await self._broker.declare(feed)
        app = Application("bench", write=self._store, transport=self._broker)
        app.relay(Counted, name=f"relay {next(self._relays)}", start="beginning")
        async with app:
            await app.settle(timeout=60)
        await self._broker.open()
        await self._broker.delete_consumer("relayed")
        return RELAYED

    async def publish(self) -> int:
        """Publish batches concurrently."""
        for first in range(0, MESSAGES, PAGE):
            page = [WireMessage(f"{uuid4()}", TOPIC, f"k{each % KEYS}", BODY) for each in range(first, first + PAGE)]
            outcomes = await self._broker.publisher.publish(page)
            assert all(outcome is Outcome.CONFIRMED for outcome in outcomes)
        return MESSAGES

    async def consume(self) -> int:
        """Receive and accept the messages of one round."""
        left = MESSAGES
        async with self._broker.consume(self._feed) as consumer:
            while left:
                deliveries = await consumer.receive(limit=min(100, left))
                await consumer.accept(deliveries)
                left -= len(deliveries)
        return MESSAGES


class _Raw:
    """aio-pika as its documentation shows it, with the same kind of exchange, queue and binding."""

    def __init__(self) -> None:
        self._name = f"twofold-bench-{uuid4().hex[:8]}"
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> Self:
        connection = await self._opened.enter_async_context(await aio_pika.connect(SERVER))
        self._channel: AbstractChannel = await connection.channel()
        self._exchange: AbstractExchange = await self._channel.declare_exchange(
            self._name, aio_pika.ExchangeType.TOPIC, durable=True
        )
        self._queue: AbstractQueue = await self._channel.declare_queue(
            self._name, durable=True, arguments={"x-queue-type": "quorum", "x-single-active-consumer": True}
        )
        await self._queue.bind(self._exchange, f"*.{TOPIC}")
        await self._channel.set_qos(PREFETCH)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._queue.delete(if_empty=False, if_unused=False)
        await self._exchange.delete()
        await self._opened.aclose()

    async def publish(self) -> int:
        """Publish batches concurrently, and wait for the confirmations of each batch."""
        for first in range(0, MESSAGES, PAGE):
            await asyncio.gather(*[self._publish(each) for each in range(first, first + PAGE)])
        return MESSAGES

    async def _publish(self, number: int) -> None:
        message = aio_pika.Message(
            BODY,
            content_type="application/cloudevents+json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            headers={"key": f"k{number % KEYS}"},
            message_id=f"{uuid4()}",
            type=TOPIC,
        )
        await self._exchange.publish(message, f"{number % 64}.{TOPIC}", mandatory=True)

    async def consume(self) -> int:
        """Receive and acknowledge the messages of one round."""
        left, done = MESSAGES, asyncio.Event()

        async def receive(message: AbstractIncomingMessage) -> None:
            nonlocal left
            await message.ack()
            left -= 1
            if left == 0:
                done.set()

        name = await self._queue.consume(receive)
        await done.wait()
        await self._queue.cancel(name)
        return MESSAGES


def _peer_is_installed() -> bool:
    command = [str(PEER), "-c", "import faststream.rabbit"]
    return PEER.exists() and subprocess.run(command, capture_output=True, check=False).returncode == 0


def _peer() -> tuple[float, float]:
    """Return the messages per second that FastStream publishes and consumes, in its own environment."""
    script = Path(__file__).parent / "peers" / "faststream_rabbitmq.py"
    numbers = [str(each) for each in (MESSAGES, PAGE, KEYS, PREFETCH, ROUNDS)]
    command = [str(PEER), str(script), SERVER, *numbers, BODY.decode()]
    publishing, consuming = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(publishing), float(consuming)
