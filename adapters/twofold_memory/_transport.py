"""A broker in this process."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Self, cast

import anyio

from twofold.errors import ConfigurationError
from twofold.ports import Delivery, Feed, Outcome, ParkedDelivery, WireMessage, check_body, log_dropped

from ._requests import InMemoryRequests
from ._transport_queue import Member, Queue


class InMemoryTransport(InMemoryRequests):
    """Carry messages and requests between applications of one process, on asyncio or trio.

        broker = InMemoryTransport()
        orders = Application("orders", write=InMemory(), transport=broker)
        shipping = Application("shipping", write=InMemory(), transport=broker)

    A complete adapter. Messages live as long as this object; `close` does not delete them. The object is its own publisher.
    Use it from one event loop.

    Args:
        keep: how many of the latest messages a new consumer gets that starts at the beginning.
    """

    def __init__(self, *, keep: int = 10_000) -> None:
        super().__init__()
        self._queues: dict[str, Queue] = {}
        self._kept: deque[WireMessage] = deque(maxlen=keep)

    async def open(self) -> None:
        """Do nothing: there is no connection."""

    async def close(self) -> None:
        """Do nothing: messages live as long as this object."""

    @property
    def system(self) -> str:
        return "memory"

    @property
    def publisher(self) -> InMemoryTransport:
        """This object."""
        return self

    @property
    def problem(self) -> None:
        """Always None: publishing does not fail."""
        return None

    async def publish(self, messages: Sequence[WireMessage]) -> Sequence[Outcome]:
        """Add messages to the queues of their consumers.

        Raises:
            MessageTooLarge: a body has more than `LARGEST_BODY` bytes; nothing was sent.
        """
        for message in messages:
            check_body(message.body, f"publish {message.topic} {message.id}")
        await anyio.lowlevel.checkpoint()
        unrouted: set[str] = set()
        return [self._publish(message._replace(mark=None), unrouted) for message in messages]

    async def kept(self, topic: str) -> Sequence[bytes]:
        """Return nothing: no confirmed message is lost while the process lives."""
        return ()

    async def resume(self, topic: str) -> None:
        """Do nothing: no message has the outcome BEHIND."""

    def partitions(self, feed: Feed) -> int:
        """Return `feed.partitions`."""
        return feed.partitions

    async def declare(self, feed: Feed) -> None:
        """Create the queue of a consumer, or change its topics.

        Raises:
            ConfigurationError: the consumer has another number of partitions.
        """
        queue = self._queues.get(feed.consumer)
        if queue is None:
            queue = self._queues[feed.consumer] = Queue(feed)
            for message in self._kept if feed.start == "beginning" else ():
                if message.topic in queue.topics:
                    queue.add(message)
        elif queue.partitions != feed.partitions:
            raise ConfigurationError(
                f"cannot declare consumer {feed.consumer!r} with {feed.partitions} partitions: it has {queue.partitions}, "
                "and another number would move keys between partitions. Keep the number, or choose another name."
            )
        queue.topics = frozenset(feed.topics)

    @asynccontextmanager
    async def consume(self, feed: Feed) -> AsyncIterator[InMemoryConsumer]:
        """Consume the partitions of a feed that no other block consumes."""
        await self.declare(feed)
        queue = self._queues[feed.consumer]
        member = queue.join()
        try:
            yield InMemoryConsumer(queue, member)
        finally:
            queue.leave(member)

    async def parked(self, consumer: str) -> Sequence[ParkedDelivery]:
        """Return the parked messages of a consumer, oldest first."""
        return self._queues[consumer].parked() if consumer in self._queues else []

    async def parked_count(self, consumer: str) -> int:
        """Return the number of parked messages of a consumer."""
        return self._queues[consumer].parked_count() if consumer in self._queues else 0

    async def unpark(self, consumer: str, ids: Sequence[str], *, again: bool) -> int:
        """Remove parked messages, and deliver them again if `again`. Return how many there were."""
        found = self._queues[consumer].unpark(ids, again=again) if consumer in self._queues else 0
        if not again:
            log_dropped(consumer, ids, found)
        return found

    async def waiting(self, feed: Feed) -> int:
        """Return how many messages are not settled."""
        return self._queues[feed.consumer].waiting() if feed.consumer in self._queues else 0

    async def delete_consumer(self, consumer: str) -> bool:
        """Delete a consumer with its messages. Return whether it existed."""
        return self._queues.pop(consumer, None) is not None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    def _publish(self, message: WireMessage, unrouted: set[str]) -> Outcome:
        if (unrouted and message.key is None) or message.key in unrouted:
            return Outcome.UNSENT
        wanted = [queue for queue in self._queues.values() if message.topic in queue.topics]
        if not wanted:
            if message.key is not None:
                unrouted.add(message.key)
            return Outcome.UNROUTABLE
        for queue in wanted:
            queue.add(message)
        self._kept.append(message)
        return Outcome.CONFIRMED


class InMemoryConsumer:
    """Receives until its block ends; see `Consumer`."""

    window = 1_000
    """The maximum number of unsettled messages."""

    def __init__(self, queue: Queue, member: Member) -> None:
        self._queue = queue
        self._member = member

    @property
    def problem(self) -> None:
        """Always None: receiving does not fail."""
        return None

    async def receive(self, *, limit: int = 100) -> Sequence[Delivery]:
        """Wait until there are messages. Return at most `limit`."""
        await anyio.lowlevel.checkpoint()
        while True:
            found = self._queue.take(self._member, min(limit, self.window - len(self._member.unsettled)))
            if found:
                return found
            await self._queue.changed()

    async def accept(self, deliveries: Sequence[Delivery]) -> None:
        """Settle deliveries."""
        for delivery in deliveries:
            self._member.unsettled.pop(_number(delivery), None)
        self._queue.settled()

    async def park(self, delivery: Delivery, reason: str) -> None:
        """Park a message, and settle its delivery."""
        await self.park_all([(delivery, reason)])

    async def park_all(self, refused: Sequence[tuple[Delivery, str]]) -> None:
        """Park messages, and settle their deliveries."""
        for delivery, reason in refused:
            entry = self._member.unsettled.pop(_number(delivery), None)
            if entry is not None:
                self._queue.park(entry, reason)
        self._queue.settled()


def _number(delivery: Delivery) -> int:
    return cast(int, delivery.receipt)
