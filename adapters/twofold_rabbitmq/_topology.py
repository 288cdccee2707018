"""The exchanges and queues of events, and how messages are routed to them.

There is one topic exchange. A routing key is `<bucket>.<topic>`, where the bucket is a hash of the message's key. A feed has
a quorum queue for each partition, bound to the buckets of that partition. So partitions need no plugin, and a key is
routed in the same way by every process and release.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import aiormq
from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel, HeadersType
from aio_pika.exceptions import ChannelPreconditionFailed

from twofold.errors import ConfigurationError
from twofold.ports import Feed, partition_of, shown_option

from ._connection import underlying

BUCKETS = 64
"""The number of buckets. Another number would route every key differently."""

REFUSED = (ChannelPreconditionFailed, aiormq.ConnectionNotAllowed, aiormq.ChannelAccessRefused)
"""The errors with which the broker refuses a declaration."""

_PREFIX = re.compile(r"[A-Za-z0-9_.-]{1,100}")

_CURRENT = re.compile(r"current is (?:the value )?'(\d+) partitions'")
"""The number of partitions in the broker's error message."""

_DELIVERIES = 300
"""The number of deliveries after which the queue parks a message.

It crashes each consumer, or breaks its connection.
"""

_READS = 1_000_000
"""The number of times that a parked message can be read.

The broker counts each as a delivery; since 4.0 its default is 20.
"""


def bucket_of(key: str) -> int:
    """Return the bucket of a key."""
    return partition_of(key, BUCKETS)


async def declare_partitions(channel: AbstractChannel, exchange: str, partitions: int) -> None:
    """Declare an exchange that stores a number of partitions in one of its arguments. Nothing is published to it."""
    await channel.declare_exchange(
        exchange,
        ExchangeType.FANOUT,
        durable=True,
        internal=True,
        arguments={"alternate-exchange": f"{partitions} partitions"},
    )


def partitions_found(error: Exception) -> str:
    """Return the settings of the existing queues, given the broker's refusal of `declare_partitions`."""
    current = _CURRENT.search(str(error))
    return f"it has {current[1]}" if current else f"the broker refuses it ({error})"


class Topology:
    """Names and declarations.

    Args:
        prefix: the prefix of all names.

    Raises:
        ConfigurationError: the prefix is not valid.
    """

    def __init__(self, prefix: str) -> None:
        if not _PREFIX.fullmatch(str(prefix)):
            raise ConfigurationError(
                f"RabbitMQ(prefix={shown_option(prefix)}): use 1 to 100 ASCII letters, digits, '_', '-' and '.'."
            )
        self.exchange = prefix
        self._prefix = prefix

    def routing_key(self, key: str | None, topic: str) -> str:
        """Return the routing key of a message."""
        return f"{'all' if key is None else bucket_of(key)}.{topic}"

    def queues(self, feed: Feed) -> list[str]:
        """Return the queues of a feed, one for each partition."""
        return [f"{self._prefix}.{feed.consumer}.{partition}" for partition in range(feed.partitions)]

    def parked(self, consumer: str) -> str:
        """Return the queue of a consumer's parked messages."""
        return f"{self._prefix}.{consumer}.parked"

    def partitions_of(self, consumer: str) -> str:
        """Return the exchange that stores a consumer's number of partitions."""
        return f"{self._prefix}.{consumer}"

    async def declare_exchange(self, channel: AbstractChannel) -> None:
        """Declare the exchange.

        Raises:
            ConfigurationError: the exchange exists with another type, or the user may not configure it.
        """
        try:
            await channel.declare_exchange(self.exchange, ExchangeType.TOPIC, durable=True)
        except REFUSED as error:
            raise ConfigurationError(
                f"cannot declare the exchange {self.exchange!r}: {error}. Choose another prefix=, delete the exchange of "
                "this name if it is not a durable topic exchange, or let the user of the URL configure it."
            ) from error

    async def declare(self, channel: AbstractChannel, feed: Feed) -> None:
        """Declare the queues of a feed. Safe to repeat.

        Raises:
            ConfigurationError: it exists with other settings, or the feed starts at the beginning.
        """
        if feed.start == "beginning":
            raise ConfigurationError(
                f"cannot start {feed.consumer!r} at the beginning: RabbitMQ keeps no messages for consumers that are "
                "declared later. Use start='now'. The other application can relay(start='beginning') once this consumer is "
                "declared."
            )
        if feed.partitions > BUCKETS:
            raise ConfigurationError(
                f"cannot divide {feed.consumer!r} into {feed.partitions} partitions: the maximum is {BUCKETS}."
            )
        parked = self.parked(feed.consumer)
        await self.declare_exchange(channel)
        await self._declare_partitions(channel, feed)
        try:
            kept: HeadersType = {"x-queue-type": "quorum", "x-delivery-limit": _READS}
            await channel.declare_queue(parked, durable=True, arguments=kept)
            for queue in self.queues(feed):
                arguments: HeadersType = {
                    "x-queue-type": "quorum",
                    "x-single-active-consumer": True,
                    "x-delivery-limit": _DELIVERIES,
                    "x-dead-letter-exchange": "",
                    "x-dead-letter-routing-key": parked,
                }
                await channel.declare_queue(queue, durable=True, arguments=arguments)
        except REFUSED as error:
            raise ConfigurationError(
                f"cannot declare the queues of {feed.consumer!r}: {error}. A queue of this name exists with other settings. "
                "Give the consumer another name, or empty and delete its exchange and queues "
                f"({self._prefix}.{feed.consumer}*)."
            ) from error
        below = await underlying(channel)
        for queue, key in self._bindings(feed):
            await below.queue_bind(queue, self.exchange, routing_key=key, nowait=True)
        await self.declare_exchange(channel)  # the broker answers after it has bound all of them

    async def delete(self, channel: AbstractChannel, consumer: str) -> None:
        """Delete the queues and the exchange of a consumer, for any number of partitions."""
        for queue in self.queues(Feed(consumer=consumer, topics=(), partitions=BUCKETS)):
            await channel.queue_delete(queue, nowait=True)  # deleting a queue that does not exist is not an error
        await channel.queue_delete(self.parked(consumer))
        await channel.exchange_delete(self.partitions_of(consumer))

    async def _declare_partitions(self, channel: AbstractChannel, feed: Feed) -> None:
        try:
            await declare_partitions(channel, self.partitions_of(feed.consumer), feed.partitions)
        except REFUSED as error:
            found = partitions_found(error)
            raise ConfigurationError(
                f"cannot receive {feed.consumer!r} in {feed.partitions} partitions: {found}, and another number would move "
                "keys between partitions. Keep partitions=, give the consumer another name, or let it receive everything, "
                f"remove it with `await RabbitMQ(…).delete_consumer({feed.consumer!r})`, and declare it again."
            ) from error

    def _bindings(self, feed: Feed) -> Iterator[tuple[str, str]]:
        """Yield the queue and the routing key of each binding."""
        queues = self.queues(feed)
        for topic in feed.topics:
            if len(queues) == 1:
                yield queues[0], f"*.{topic}"
                continue
            for queue in queues:
                yield queue, f"all.{topic}"
            for bucket in range(BUCKETS):
                yield queues[bucket % len(queues)], f"{bucket}.{topic}"
