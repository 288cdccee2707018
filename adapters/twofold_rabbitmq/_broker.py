"""The broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self

import aiormq
import anyio

from twofold.ports import Answerer, Feed, ParkedDelivery, Request

from . import _parking
from ._connection import check_url
from ._consumer import RabbitMQConsumer
from ._link import Link
from ._publisher import RabbitMQPublisher
from ._request_topology import RequestTopology
from ._requester import Requester
from ._server import RabbitMQServer
from ._topology import Topology


class RabbitMQ:
    """Carries events, commands and queries between applications over RabbitMQ 3.10 or later; asyncio only.

        app = Application("orders", write=SqlAlchemy(engine), transport=RabbitMQ("amqp://guest:guest@localhost/"))

    It makes its connections itself when they are needed, one to publish, one to ask, and one for each feed that is received,
    and closes them: an application closes its transport, and without one `async with RabbitMQ(url) as broker:` does.
    Everything is
    declared by whoever starts first: a topic exchange named `prefix`, a quorum queue for each part of a feed,
    `<prefix>.<consumer>.<part>`, and one for what it has set aside, `<prefix>.<consumer>.parked`. No plugin is needed.

    Args:
        url: the broker, `amqp://` or `amqps://`.
        prefix: what the name of everything at the broker begins with.
        window: how many published messages may be unconfirmed at a time.
        prefetch: how many messages of a part a consumer may have unsettled.
        timeout: how long an answer of the broker may take, in seconds.
        options: for the driver's `connect`, such as `context`, an `ssl.SSLContext`.

    Raises:
        ConfigurationError: the URL is none of RabbitMQ.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "twofold",
        window: int = 256,
        prefetch: int = 200,
        timeout: float = 5.0,
        options: dict[str, Any] | None = None,
    ) -> None:
        check_url(url)
        self._url = url
        self._options = options or {}
        self._prefetch = prefetch
        self._timeout = timeout
        self._topology = Topology(prefix)
        self._link = Link(url, self._options, timeout, self._topology.declare_exchange)
        self._publisher = RabbitMQPublisher(self._link, self._topology, window=window, timeout=timeout)
        self._requests = RequestTopology(prefix)
        asking = Link(url, self._options, timeout, self._prepare_to_ask)
        self._asking, self._requester = asking, Requester(asking, self._requests, timeout=timeout)
        self._consumers: dict[str, list[RabbitMQConsumer]] = {}

    @property
    def publisher(self) -> RabbitMQPublisher:
        """What publishes."""
        return self._publisher

    async def open(self) -> None:
        """Connect, and declare what publishing needs."""
        await self._link.channel()

    async def close(self) -> None:
        """Close the connections that publish and ask."""
        await self._link.close()
        await self._asking.close()

    def parts(self, feed: Feed) -> int:
        """Return as many parts as the feed wants."""
        return feed.partitions

    async def declare(self, feed: Feed) -> None:
        """Create the queues of a feed. RabbitMQ keeps nothing for those who were not there: a feed begins now."""
        async with self._link.another(self._timeout * 2) as channel:
            await self._topology.declare(channel, feed)

    @asynccontextmanager
    async def consume(self, feed: Feed) -> AsyncIterator[RabbitMQConsumer]:
        """Receive a feed inside the block."""
        await self.declare(feed)
        consumer = RabbitMQConsumer(
            self._url, self._options, self._topology, feed, prefetch=self._prefetch, timeout=self._timeout
        )
        running = asyncio.create_task(consumer.run())
        here = self._consumers.setdefault(feed.consumer, [])
        here.append(consumer)
        try:
            yield consumer
        finally:
            here.remove(consumer)
            await _end(running)

    async def parked(self, consumer: str) -> Sequence[ParkedDelivery]:
        """Return what a consumer has set aside, oldest first."""
        async with self._link.another() as channel:
            try:
                return await _parking.look(channel, self._topology.parked(consumer), self._timeout)
            except aiormq.ChannelNotFoundEntity:
                return ()

    async def unpark(self, consumer: str, ids: Sequence[str], *, again: bool) -> int:
        """Take parked messages out; deliver them once more, or drop them."""
        first = self._topology.queues(Feed(consumer=consumer, topics=()))
        async with self._link.another() as channel:
            try:
                queue = self._topology.parked(consumer)
                return await _parking.take(channel, queue, ids, self._timeout, again=again, parts=first)
            except aiormq.ChannelNotFoundEntity:
                return 0

    async def request(self, service: str, request: Request, *, seconds: float) -> bytes:
        """Send a request; return the reply."""
        return await self._requester.request(service, request, seconds=seconds)

    @asynccontextmanager
    async def serve(
        self, service: str, answer: Answerer, *, partitions: int = 1, concurrency: int = 16
    ) -> AsyncIterator[RabbitMQServer]:
        """Serve requests inside the block."""
        server = RabbitMQServer(
            self._url, self._options, self._requests, service, answer,
            partitions=partitions, concurrency=concurrency, timeout=self._timeout,
        )  # fmt: skip
        running = asyncio.create_task(server.run())
        try:
            await server.tried.wait()
            if server.failed is not None:
                raise server.failed
            yield server
        finally:
            await _end(running, server.leave)

    async def _prepare_to_ask(self, channel: aiormq.Channel) -> None:
        await self._requester.prepare(channel)

    async def forget(self, consumer: str) -> bool:
        """Delete the queues of a consumer, with all that they hold, parked messages too; tell whether there was one."""
        async with self._link.another(self._timeout * 2) as channel:
            try:
                await channel.exchange_declare(self._topology.of(consumer), passive=True)
            except aiormq.ChannelNotFoundEntity:
                return False
            await self._topology.forget(channel, consumer)
            return True

    async def forget_service(self, service: str) -> bool:
        """Delete the queues of a service, with the requests in them; tell whether it was ever served."""
        async with self._link.another(self._timeout * 2) as channel:
            shared, *_ = self._requests.queues(service, 1)
            try:
                await channel.exchange_declare(shared, passive=True)
            except aiormq.ChannelNotFoundEntity:
                return False
            await self._requests.forget(channel, service)
            return True

    async def waiting(self, feed: Feed) -> int:
        """Return how many messages the queues have, with those that were delivered to this object and are not settled."""
        here = sum(each.unsettled for each in self._consumers.get(feed.consumer, ()))
        async with self._link.another(self._timeout * 2) as channel:
            try:
                counts = [await _ready(channel, queue) for queue in self._topology.queues(feed)]
            except aiormq.ChannelNotFoundEntity:
                return here
        return here + sum(counts)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()


async def _end(running: asyncio.Task[None], leave: Callable[[], Awaitable[None]] | None = None) -> None:
    """End what runs, however often this task is cancelled meanwhile: by a scope of anyio, again and again."""

    async def end() -> None:
        if leave is not None:
            await leave()
        running.cancel()
        await asyncio.wait([running])

    with anyio.CancelScope(shield=True):
        await asyncio.shield(asyncio.create_task(end()))


async def _ready(channel: aiormq.Channel, queue: str) -> int:
    found = await channel.queue_declare(queue, passive=True)
    return found.message_count or 0
