"""The transport over RabbitMQ."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Self

import anyio
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import ChannelNotFoundEntity

from twofold.ports import Answerer, Feed, ParkedDelivery, Request, log_dropped

from ._connection import check_url
from ._consumer import RabbitMQConsumer
from ._link import Link
from ._parking import Parking
from ._publisher import RabbitMQPublisher
from ._request_topology import RequestTopology
from ._requester import Requester
from ._server import RabbitMQServer
from ._topology import Topology


class RabbitMQ:
    """Carries events, commands and queries between applications over RabbitMQ 3.10 or later; asyncio only.

        app = Application("orders", write=SqlAlchemy(engine), transport=RabbitMQ("amqp://guest:guest@localhost/"))

    It opens connections on demand: one to publish, one to send requests, one for each
    feed, two for each service, and one for each call that reads parked messages. An application
    closes its transport; without an application, use `async with RabbitMQ(url) as broker:`. The first process declares
    missing objects: a topic exchange named `prefix`, a quorum queue for each partition of a feed,
    `<prefix>.<consumer>.<partition>`, and a queue for its parked messages, `<prefix>.<consumer>.parked`. It needs no
    plugin.

    Args:
        url: the broker, `amqp://` or `amqps://`, with the query options of aio-pika.
        prefix: the prefix of all names at the broker.
        window: how many published messages may be unconfirmed at a time.
        prefetch: how many messages of a partition a consumer may have unsettled.
        timeout: how long an answer of the broker may take, in seconds.
        options: keyword arguments of `aio_pika.connect`, such as `ssl_context`.

    Raises:
        ConfigurationError: the URL is not a RabbitMQ URL, or the prefix is not valid.
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
        self._requester = Requester(url, self._options, self._requests, timeout=timeout)
        self._consumers: dict[str, list[RabbitMQConsumer]] = {}

    @property
    def system(self) -> str:
        return "rabbitmq"

    @property
    def publisher(self) -> RabbitMQPublisher:
        """The publisher."""
        return self._publisher

    async def open(self) -> None:
        """Connect, and declare the exchange of events."""
        await self._link.channel()

    async def close(self) -> None:
        """Close the connections that publish and send requests."""
        await self._link.close()
        await self._requester.close()

    def partitions(self, feed: Feed) -> int:
        """Return the number of partitions that the feed asks for."""
        return feed.partitions

    async def declare(self, feed: Feed) -> None:
        """Declare the queues of a feed, which receive messages from now on."""
        async with self._administration() as channel:
            await self._topology.declare(channel, feed)

    @asynccontextmanager
    async def consume(self, feed: Feed) -> AsyncIterator[RabbitMQConsumer]:
        """Consume a feed inside the block."""
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
        """Return the parked messages of a consumer, oldest first."""
        return await self._parking(consumer).listed()

    async def parked_count(self, consumer: str) -> int:
        """Return the number of messages in the queue of parked messages. Those that an operator reads now are left out."""
        async with self._administration() as channel:
            try:
                queue = await channel.declare_queue(self._topology.parked(consumer), passive=True)
            except ChannelNotFoundEntity:
                return 0
        return queue.declaration_result.message_count or 0

    async def unpark(self, consumer: str, ids: Sequence[str], *, again: bool) -> int:
        """Remove parked messages, and deliver them again if `again`. Return how many there were."""
        first, *_ = self._topology.queues(Feed(consumer=consumer, topics=()))
        found = await self._parking(consumer).unpark(ids, again=again, default=first)
        if not again:
            log_dropped(consumer, ids, found)
        return found

    async def request(self, service: str, request: Request, *, seconds: float) -> bytes:
        """Send a request. Return the reply."""
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
            await _end(running, server.shut_down)

    async def delete_consumer(self, consumer: str) -> bool:
        """Delete the queues of a consumer with all their messages, parked ones included. Return whether it existed."""
        async with self._administration() as channel:
            try:
                await channel.get_exchange(self._topology.partitions_of(consumer))
            except ChannelNotFoundEntity:
                return False
            await self._topology.delete(channel, consumer)
            return True

    async def delete_service(self, service: str) -> bool:
        """Delete the queues of a service with all their requests. Return whether it existed."""
        async with self._administration() as channel:
            shared, *_ = self._requests.queues(service, 1)
            try:
                await channel.get_exchange(shared)
            except ChannelNotFoundEntity:
                return False
            await self._requests.delete(channel, service)
            return True

    async def waiting(self, feed: Feed) -> int:
        """Return how many messages the queues hold, and how many were delivered to this object and are not settled."""
        here = sum(each.unsettled for each in self._consumers.get(feed.consumer, ()))
        async with self._administration() as channel:
            try:
                queues = [await channel.declare_queue(name, passive=True) for name in self._topology.queues(feed)]
            except ChannelNotFoundEntity:
                return here
        return here + sum(queue.declaration_result.message_count or 0 for queue in queues)

    def _parking(self, consumer: str) -> Parking:
        return Parking(self._url, self._options, self._topology.parked(consumer), self._timeout)

    def _administration(self) -> AbstractAsyncContextManager[AbstractChannel]:
        return self._link.extra_channel(self._timeout * 2)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()


async def _end(running: asyncio.Task[None], shut_down: Callable[[], Awaitable[None]] | None = None) -> None:
    """Shut down a task and wait for its end, even if this task is cancelled repeatedly by anyio."""

    async def end() -> None:
        if shut_down is not None:
            await shut_down()
        running.cancel()
        await asyncio.wait([running])

    with anyio.CancelScope(shield=True):
        await asyncio.shield(asyncio.create_task(end()))
