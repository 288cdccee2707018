"""Processes of two applications that know each other by events, and brokers that end them at named points."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Literal
from uuid import uuid4

from redis.asyncio import Redis

from tests.crash.points import Fate, Pointed
from tests.crash.stores import opened as store_at
from tests.domains.shops import LEASE, selling, shipping
from twofold.ports import Delivery, Feed, Outcome, Transport, WireMessage
from twofold_rabbitmq import RabbitMQ
from twofold_redis import RedisStreams

PUBLISHING = ("begin", "advance", "commit", "publish")
RECEIVING = ("begin", "append", "advance", "commit", "receive", "accept")
"""The points to which a process comes that relays, and one that receives."""


class PointedBroker:
    """A broker whose process kills itself at a point.

    Args:
        transport: the broker.
        fate: the failure and its moment; None for no failure.
    """

    def __init__(self, transport: Transport, fate: Fate | None) -> None:
        self._transport = transport
        self._fate = fate
        self._passed = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    @property
    def publisher(self) -> PointedBroker:
        """This object."""
        return self

    async def publish(self, messages: Sequence[WireMessage]) -> Sequence[Outcome]:
        """Publish between two points, except for reports of the relay's checkpoint."""
        if all(message.key is None for message in messages):
            return await self._transport.publisher.publish(messages)
        outcomes: Sequence[Outcome] = await self.at("publish", self._transport.publisher.publish(messages))
        return outcomes

    @asynccontextmanager
    async def consume(self, feed: Feed) -> AsyncIterator[PointedConsumer]:
        """Receive, between points."""
        async with self._transport.consume(feed) as consumer:
            yield PointedConsumer(consumer, self)

    async def at(self, point: str, work: Any) -> Any:
        """Do the work between the two points around it."""
        self._pass("before", point)
        result = await work
        self._pass("after", point)
        return result

    def _pass(self, moment: str, point: str) -> None:
        if self._fate is not None and (moment, point) == self._fate[:2]:
            self._passed += 1
            if self._passed >= self._fate.visit:
                os.kill(os.getpid(), self._fate.by)


class Loses(PointedBroker):
    """Says that every tenth event is confirmed, and drops it."""

    async def publish(self, messages: Sequence[WireMessage]) -> Sequence[Outcome]:
        """Publish some."""
        kept = [message for message in messages if message.key is None or not self._is_chosen()]
        await super().publish(kept)
        return [Outcome.CONFIRMED] * len(messages)

    def _is_chosen(self) -> bool:
        self._passed += 1
        return self._passed % 10 == 0


class Reorders(PointedBroker):
    """Publishes the messages of one call in reverse order."""

    async def publish(self, messages: Sequence[WireMessage]) -> Sequence[Outcome]:
        """Publish backwards."""
        return list(reversed(await super().publish(messages[::-1])))


class Doubles(PointedBroker):
    """Publishes each event a second time, as another one."""

    async def publish(self, messages: Sequence[WireMessage]) -> Sequence[Outcome]:
        """Publish all, and all again."""
        others = [each for each in messages if each.key is not None]
        ids = [str(uuid4()) for _ in others]
        forged = [
            each._replace(id=other, body=each.body.replace(each.id.encode(), other.encode(), 1))
            for each, other in zip(others, ids, strict=True)
        ]
        return (await super().publish([*messages, *forged]))[: len(messages)]


class PointedConsumer:
    """A consumer whose process ends itself at a point."""

    def __init__(self, consumer: Any, broker: PointedBroker) -> None:
        self._consumer = consumer
        self._broker = broker

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)

    async def receive(self, *, limit: int = 100) -> Sequence[Delivery]:
        """Receive a few at a time, so that there is much to interrupt."""
        deliveries: Sequence[Delivery] = await self._broker.at("receive", self._consumer.receive(limit=min(limit, 20)))
        return deliveries

    async def accept(self, deliveries: Sequence[Delivery]) -> None:
        """Accept."""
        await self._broker.at("accept", self._consumer.accept(deliveries))


@asynccontextmanager
async def broker(url: str, prefix: str) -> AsyncIterator[Transport]:
    """Open RabbitMQ or Redis Streams."""
    if url.startswith("amqp"):
        yield RabbitMQ(url, prefix=prefix)
    else:
        async with Redis.from_url(url) as client:
            yield RedisStreams(client, prefix=prefix, partitions=2, idle=2.0)


async def run(which: Literal["shop", "depot"], store_url: str, broker_url: str, prefix: str, fate: Fate | None) -> None:
    """Run one of the two applications until it receives a stop signal.

    The server ends a session that idles in a transaction for longer than a lease. Without that limit, a paused process
    that is inside a transaction keeps its row locks, and no other process can take over its partitions.
    """
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    async with AsyncExitStack() as opened:
        transport: Any = PointedBroker(await opened.enter_async_context(broker(broker_url, prefix)), fate)
        store: Any = Pointed(await opened.enter_async_context(store_at(store_url, idle=LEASE)), fate)
        application = selling if which == "shop" else shipping
        await opened.enter_async_context(application(store, transport, seconds=None))
        await stopping.wait()
