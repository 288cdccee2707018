"""Receive a feed, and come back whatever happens to the connection, the channel or the queues."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import aiormq
from aiormq.abc import DeliveredMessage

from twofold.errors import TransientFailure
from twofold.ports import Delivery, Feed, WireMessage

from ._connection import LOST, Connection, away, losses
from ._publisher import LONGEST_KEY, properties_of
from ._supervision import Supervisor, Watch
from ._topology import Topology
from ._window import Receipt, Window


class RabbitMQConsumer:
    """One connection that receives all parts of a feed. RabbitMQ delivers each part to one of its consumers at a time.

    Args:
        url: the broker.
        options: for the driver.
        topology: what is declared, and how it is called.
        feed: what is received.
        prefetch: how many messages of a part may be unsettled.
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
        """How many messages were delivered here and are not settled."""
        return len(self._window)

    @property
    def trouble(self) -> str | None:
        """What keeps it from receiving at the moment."""
        return self._supervisor.trouble

    async def receive(self, *, limit: int = 100) -> Sequence[Delivery]:
        """Wait until there are messages; return those that are there."""
        while not self._window.ready:
            if self._failed is not None:
                raise self._failed
            self._arrived.clear()
            await self._arrived.wait()
        return self._window.take(limit)

    async def accept(self, deliveries: Sequence[Delivery]) -> None:
        """Tell the broker that these are dealt with."""
        channel, connection = self._channel, self._connection  # a tag means something on its own channel alone
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
            connection.cut()  # it is made anew, and what the broker was not told comes again

    async def park(self, delivery: Delivery, reason: str) -> None:
        """Keep a message in the queue of what is set aside, then accept it.

        Raises:
            TransientFailure: the broker did not confirm that it keeps it; it is not settled, and comes again.
        """
        channel = self._channel
        if channel is None or not list(self._tags([delivery])):
            raise TransientFailure(
                f"cannot park {delivery.message.id}: the connection over which it came was lost. It comes again."
            )
        queue = self._topology.queues(self._feed)[delivery.partition]
        try:
            with losses():
                await channel.basic_publish(
                    delivery.message.body,
                    routing_key=self._topology.parked(self._feed.consumer),
                    properties=properties_of(_bounded(delivery.message), reason=reason[:LONGEST_KEY], queue=queue),
                    mandatory=True,
                    timeout=self._timeout,
                )
        except LOST as error:
            raise away(error) from error
        await self.accept([delivery])

    def _tags(self, deliveries: Sequence[Delivery]) -> list[int]:
        """Return the tags of deliveries that came over the present channel."""
        receipts = [each.receipt for each in deliveries if isinstance(each.receipt, Receipt)]
        return [each.tag for each in receipts if each.generation == self._window.generation]

    async def run(self) -> None:
        """Receive until cancelled, over one connection after another."""
        try:
            await self._supervisor.run()
        except Exception as error:  # noqa: BLE001 -- whatever it is, who receives is told
            self._failed = error
            self._arrived.set()

    async def _receive_over(self, connection: Connection) -> None:
        try:
            async with asyncio.timeout(self._timeout * 2):
                channel = await connection.channel(confirms=True)
                watch = Watch(connection, channel)
                await self._declare(channel)
                await channel.basic_qos(prefetch_count=self._prefetch)
                self._channel, self._connection = channel, connection
                for part, queue in enumerate(self._topology.queues(self._feed)):
                    await watch.receive(queue, partial(self._delivered, self._window, part))
            self._supervisor.receives()
            await watch.run(self._declare, self._timeout)
        finally:
            self._channel = self._connection = None
            self._window = Window(self._window.generation + 1)

    async def _declare(self, channel: aiormq.Channel) -> None:
        await self._topology.declare(channel, self._feed)

    async def _delivered(self, window: Window, part: int, delivered: DeliveredMessage) -> None:
        """Take a message from the driver, which calls this in the order of delivery."""
        tag = delivered.delivery_tag or 0
        window.add(tag, Delivery(message_of(delivered), part, Receipt(window.generation, tag)))
        self._arrived.set()


def _bounded(message: WireMessage) -> WireMessage:
    """Return a message with what travels beside its body cut: the broker closes a connection whose frame is too large."""
    key = None if message.key is None else message.key[:LONGEST_KEY]
    return message._replace(id=message.id[:LONGEST_KEY], key=key)


def message_of(delivered: DeliveredMessage) -> WireMessage:
    """Return the message as it was published."""
    properties = delivered.header.properties
    headers = properties.headers or {}
    key = headers.get("key")
    return WireMessage(
        id=str(headers.get("id", properties.message_id or "")),
        topic=properties.message_type or "",
        key=None if key is None else str(key),
        body=delivered.body,
    )
