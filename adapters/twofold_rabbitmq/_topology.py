"""What is declared at the broker, and how messages find their way.

One topic exchange; a routing key is the bucket of the message's key and its topic. A feed has a quorum queue for each of its
parts, bound to the buckets of that part. So parts need no plugin of the broker, and the way of a key is the same in every
process and release.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeAlias
from zlib import crc32

import aiormq
from pamqp.common import FieldValue

from twofold.errors import ConfigurationError
from twofold.ports import Feed

Arguments: TypeAlias = dict[str, FieldValue]

BUCKETS = 64
"""Into how many buckets keys fall. Changing it would change the way of every key."""

REFUSED = (aiormq.ChannelPreconditionFailed, aiormq.ConnectionNotAllowed, aiormq.ChannelAccessRefused)
"""How the broker refuses a declaration."""

_CURRENT = re.compile(r"current is (?:the value )?'(\d+) partitions'")
"""How the broker tells how many parts there are."""

_DELIVERIES = 300
"""How often a message is delivered until its queue sets it aside: one that ends every consumer, or its connection."""

_LOOKS = 1_000_000
"""How often what is set aside may be looked at; the broker's own limit is 20 since 4.0."""


def bucket_of(key: str) -> int:
    """Return the bucket of a key: the CRC-32 of its UTF-8 bytes, modulo `BUCKETS`."""
    return crc32(key.encode()) % BUCKETS


async def declare_partitions(channel: aiormq.Channel, exchange: str, partitions: int) -> None:
    """Declare an exchange through which nothing goes, and whose form says how many parts there are."""
    await channel.exchange_declare(
        exchange,
        exchange_type="fanout",
        durable=True,
        internal=True,
        arguments={"alternate-exchange": f"{partitions} partitions"},
    )


def partitions_found(error: Exception) -> str:
    """Return what the broker has instead, when it refuses such a declaration."""
    current = _CURRENT.search(str(error))
    return f"it has {current[1]}" if current else f"the broker refuses it ({error})"


class Topology:
    """Names and declarations.

    Args:
        prefix: what the name of everything begins with.
    """

    def __init__(self, prefix: str) -> None:
        self.exchange = prefix
        self._prefix = prefix

    def routing_key(self, key: str | None, topic: str) -> str:
        """Return how a message is addressed."""
        return f"{'all' if key is None else bucket_of(key)}.{topic}"

    def queues(self, feed: Feed) -> list[str]:
        """Return the queues of a feed, one a part."""
        return [f"{self._prefix}.{feed.consumer}.{part}" for part in range(feed.partitions)]

    def parked(self, consumer: str) -> str:
        """Return the queue of what a consumer has set aside."""
        return f"{self._prefix}.{consumer}.parked"

    async def declare_exchange(self, channel: aiormq.Channel) -> None:
        """Declare what publishing needs.

        Raises:
            ConfigurationError: there is another exchange of this name, or it is not allowed.
        """
        try:
            await channel.exchange_declare(self.exchange, exchange_type="topic", durable=True)
        except REFUSED as error:
            raise ConfigurationError(
                f"cannot declare the exchange {self.exchange!r}: {error}. Say another prefix=, or delete the exchange of "
                "this name that is no durable topic exchange; see whether the user of the URL may configure it."
            ) from error

    async def declare(self, channel: aiormq.Channel, feed: Feed) -> None:
        """Declare what a feed needs; safe to repeat.

        Raises:
            ConfigurationError: it is there in another form, or is to begin before it was there.
        """
        if feed.start == "beginning":
            raise ConfigurationError(
                f"cannot let {feed.consumer!r} begin at the beginning: RabbitMQ keeps nothing for those who are not there. "
                "Say start='now', and let the other application relay(start='beginning') once this one is declared."
            )
        if feed.partitions > BUCKETS:
            raise ConfigurationError(
                f"cannot divide {feed.consumer!r} into {feed.partitions} parts: there are {BUCKETS} at most."
            )
        parked = self.parked(feed.consumer)
        await self.declare_exchange(channel)
        await self._remember_partitions(channel, feed)
        try:
            # To look at what is parked is a delivery, too.
            kept: Arguments = {"x-queue-type": "quorum", "x-delivery-limit": _LOOKS}
            await channel.queue_declare(parked, durable=True, arguments=kept)
            for queue in self.queues(feed):
                arguments: Arguments = {
                    "x-queue-type": "quorum",
                    "x-single-active-consumer": True,
                    "x-delivery-limit": _DELIVERIES,
                    "x-dead-letter-exchange": "",
                    "x-dead-letter-routing-key": parked,
                }
                await channel.queue_declare(queue, durable=True, arguments=arguments)
        except REFUSED as error:
            raise ConfigurationError(
                f"cannot declare what {feed.consumer!r} receives: {error}. What is there under this name was made "
                "with other settings. Give the consumer another name, or empty and delete its exchange and queues "
                f"({self._prefix}.{feed.consumer}*)."
            ) from error
        for queue, key in self._bindings(feed):
            await channel.queue_bind(queue, self.exchange, routing_key=key, nowait=True)
        await self.declare_exchange(channel)  # answered when all before it is done

    async def forget(self, channel: aiormq.Channel, consumer: str) -> None:
        """Delete what belongs to a consumer alone, into however many parts it is divided."""
        for queue in self.queues(Feed(consumer=consumer, topics=(), partitions=BUCKETS)):
            await channel.queue_delete(queue, nowait=True)  # one that is not there is no error
        await channel.queue_delete(self.parked(consumer))
        await channel.exchange_delete(self.of(consumer))

    def of(self, consumer: str) -> str:
        """Return the exchange that remembers into how many parts a consumer is divided."""
        return f"{self._prefix}.{consumer}"

    async def _remember_partitions(self, channel: aiormq.Channel, feed: Feed) -> None:
        """Let the broker refuse another number of parts: nothing goes through this exchange, but its form is compared."""
        try:
            await declare_partitions(channel, self.of(feed.consumer), feed.partitions)
        except REFUSED as error:
            found = partitions_found(error)
            raise ConfigurationError(
                f"cannot receive {feed.consumer!r} in {feed.partitions} parts: {found}, and its keys would change their "
                "places. Keep partitions= as it was, or give the consumer another name. Or let everything be received, "
                f"remove it with `await RabbitMQ(…).forget({feed.consumer!r})`, and start it anew."
            ) from error

    def _bindings(self, feed: Feed) -> Iterator[tuple[str, str]]:
        queues = self.queues(feed)
        for topic in feed.topics:
            if len(queues) == 1:
                yield queues[0], f"*.{topic}"
                continue
            for queue in queues:
                yield queue, f"all.{topic}"
            for bucket in range(BUCKETS):
                yield queues[bucket % len(queues)], f"{bucket}.{topic}"
