"""Consume a feed, and recover from the loss of the connection, the channel or the queues."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import aiormq
from aio_pika.abc import AbstractChannel
from aiormq.abc import DeliveredMessage

from twofold.errors import TransientFailure
from twofold.ports import Delivery, Feed

from ._connection import Connection, underlying
from ._losses import LOST, losses, unavailable
from ._supervision import Supervisor
from ._topology import Topology
from ._watch import Watch
from ._window import Receipt, Window
from ._wire import LONGEST_KEY, message_of, properties_of, truncated


class RabbitMQConsumer:
    """One connection that consumes all partitions of a feed. RabbitMQ delivers a partition to one consumer at a time.

    Args:
        url: the broker.
        options: keyword arguments of `aio_pika.connect`.
        topology: the names at the broker.
        feed: the feed.
        prefetch: how many messages of a partition may be unsettled.
        timeout: how long an answer of the broker may take, in seconds.
    """

    def __init__(
        self, url: str, options: Mapping[str, Any], topology: Topology, feed: Feed, *, prefetch: int, timeout: float
    ) -> None:
        self._supervisor = Supervisor(feed.consumer, url, options, timeout, self._receive_over)
        self._topology = topology
        self._feed = feed
        self._prefetch = prefetch
        self._timeout = timeout
        self._window = Window(0)
        self._channel: aiormq.Channel | None = None
        self._connection: Connection | None = None
        self._arrived = asyncio.Event()
        self._failed: Exception | None = None

    @property
    def unsettled(self) -> int:
        """The number of unsettled deliveries."""
        return len(self._window)

    @property
    def problem(self) -> str | None:
        """Why it does not receive at present."""
        return self._supervisor.problem

    async def receive(self, *, limit: int = 100) -> Sequence[Delivery]:
        """Wait until there are messages. Return at most `limit`."""
        while not self._window.ready:
            if self._failed is not None:
                raise self._failed
            self._arrived.clear()
            await self._arrived.wait()
        return self._window.take(limit)

    async def accept(self, deliveries: Sequence[Delivery]) -> None:
        """Acknowledge deliveries. After a loss their messages are delivered again."""
        channel, connection = self._channel, self._connection
        upto, others = self._window.settle(self._tags(deliveries))
        if channel is None or connection is None:
            return
        try:
            with losses():
                async with asyncio.timeout(self._timeout):
                    if upto is not None:
                        await channel.basic_ack(upto, multiple=True, wait=False)
                    for tag in others:
                        await channel.basic_ack(tag, wait=False)
        except LOST:
            connection.abort()

    async def park(self, delivery: Delivery, reason: str) -> None:
        """Publish a message to the queue of parked messages, then acknowledge the delivery."""
        await self.park_all([(delivery, reason)])

    async def park_all(self, refused: Sequence[tuple[Delivery, str]]) -> None:
        """Publish messages to the queue of parked messages, pipelined, then acknowledge those that the broker confirmed.

        Raises:
            TransientFailure: a connection was lost, or the broker did not confirm a message.
        """
        channel, tags = self._channel, [self._tags([delivery]) for delivery, _ in refused]
        if channel is None or not all(tags):
            lost = next((each for (each, _), found in zip(refused, tags, strict=True) if not found), refused[0][0])
            raise TransientFailure(
                f"cannot park {lost.message.id[:80]}: its connection was lost. The message is delivered again."
            )
        parked = [each for each, (tag,) in zip(refused, tags, strict=True) if self._window.has(tag)]
        try:
            with losses():
                outcomes = await asyncio.gather(
                    *(self._publish_parked(channel, *each) for each in parked), return_exceptions=True
                )
        except LOST as error:
            raise unavailable(error) from error
        failures = [each for each in outcomes if isinstance(each, BaseException)]
        await self.accept([delivery for (delivery, _), failed in zip(parked, outcomes, strict=True) if failed is None])
        if failures:
            raise unavailable(failures[0]) from failures[0]

    async def _publish_parked(self, channel: aiormq.Channel, delivery: Delivery, reason: str) -> None:
        queue = self._topology.queues(self._feed)[delivery.partition]
        text = reason[:LONGEST_KEY].encode("utf-8", "backslashreplace").decode()
        await channel.basic_publish(
            delivery.message.body,
            routing_key=self._topology.parked(self._feed.consumer),
            properties=properties_of(truncated(delivery.message), reason=text, queue=queue),
            mandatory=True,
            wait=False,  # for the socket, which would let one message at a time pass
            timeout=self._timeout,
        )

    def _tags(self, deliveries: Sequence[Delivery]) -> list[int]:
        """Return the tags of deliveries that arrived over the present channel."""
        receipts = [each.receipt for each in deliveries if isinstance(each.receipt, Receipt)]
        return [each.tag for each in receipts if each.generation == self._window.generation]

    async def run(self) -> None:
        """Receive until cancelled, over one connection after another. A failure is raised by `receive`."""
        try:
            await self._supervisor.run()
        except Exception as error:  # noqa: BLE001 -- raised by `receive`
            self._failed = error
            self._arrived.set()

    async def _receive_over(self, connection: Connection) -> None:
        try:
            async with asyncio.timeout(self._timeout * 2):
                opened = await connection.channel(on_return_raises=True)
                channel = await underlying(opened)
                watch = Watch(connection, channel)
                await self._declare(opened)
                await opened.set_qos(self._prefetch)
                self._channel, self._connection = channel, connection
                for partition, queue in enumerate(self._topology.queues(self._feed)):
                    await watch.consume(queue, partial(self._delivered, self._window, partition))
            self._supervisor.started()
            await watch.run(self._declare, self._timeout)
        finally:
            self._channel = self._connection = None
            self._window = Window(self._window.generation + 1)

    async def _declare(self, channel: AbstractChannel) -> None:
        await self._topology.declare(channel, self._feed)

    async def _delivered(self, window: Window, partition: int, delivered: DeliveredMessage) -> None:
        """Add a message to its window. aiormq calls this in the order of delivery."""
        tag = delivered.delivery_tag or 0
        window.add(tag, Delivery(message_of(delivered), partition, Receipt(window.generation, tag)))
        self._arrived.set()
