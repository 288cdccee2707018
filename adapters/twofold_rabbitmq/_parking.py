"""List the parked messages of a consumer, and remove or requeue them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from math import ceil
from typing import Any, Final

import aiormq
from aio_pika.exceptions import ChannelNotFoundEntity, PublishError
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import ChannelLockedResource

from twofold.errors import ConfigurationError, TransientFailure
from twofold.ports import Backoff, ParkedDelivery, WireMessage

from ._connection import Connection, connect, underlying
from ._losses import LOST, losses, unavailable
from ._wire import message_of, properties_of, text_of

_TURN: Final = 60.0
"""Seconds that an operator waits for another operator who uses the same parked messages."""

_PREFETCH: Final = 60_000
"""The number of messages that one consumer reads. AMQP allows 65,535; without a number, RabbitMQ allows 2,000."""

_AT_ONCE: Final = 200
"""The number of messages that are requeued at the same time."""


class Parking:
    """The queue of a consumer's parked messages, as operators use it.

    RabbitMQ shows a message of a queue to one reader at a time. Each operation therefore has an exclusive lock: a queue that
    belongs to its connection, and is deleted with it. Messages that an operation has read and not removed are returned to
    the queue before the lock is released.

    Args:
        url: the broker.
        options: keyword arguments of `aio_pika.connect`.
        queue: the queue of parked messages.
        timeout: how long an answer of the broker may take, in seconds.
    """

    def __init__(self, url: str, options: Mapping[str, Any], queue: str, timeout: float) -> None:
        self._url = url
        self._options = options
        self._queue = queue
        self._timeout = timeout

    async def listed(self) -> Sequence[ParkedDelivery]:
        """Return the messages, oldest first, equal ones once."""
        found: dict[WireMessage, ParkedDelivery] = {}
        async with self._locked() as channel:
            taken = await self._taken(channel)
            for each in taken:
                reason = _header(each, "reason") or "its consumer failed at every delivery, up to the delivery limit"
                found.setdefault(message_of(each), ParkedDelivery(message_of(each), reason))
            await self._return(channel, len(taken))
        return list(found.values())

    async def unpark(self, ids: Sequence[str], *, again: bool, default: str) -> int:
        """Remove messages. Return how many there were, equal ones counted once.

        Every message is read before the first one is requeued. A message that its consumer parks again during this call
        is a new message in this queue, and stays.

        Args:
            ids: the ids of the messages.
            again: whether to deliver the messages once more, to the queues that they came from.
            default: the queue for a message that does not say where it came from.
        """
        wanted = frozenset(ids)
        equal: dict[WireMessage, list[DeliveredMessage]] = {}
        async with self._locked() as channel:
            taken = await self._taken(channel)
            for each in taken:
                message = message_of(each)
                if message.id in wanted:
                    equal.setdefault(message, []).append(each)
            groups = list(equal.items())
            for start in range(0, len(groups), _AT_ONCE):
                some = groups[start : start + _AT_ONCE]
                await asyncio.gather(*(self._remove(channel, *each, default if again else None) for each in some))
            await self._return(channel, len(taken) - sum(map(len, equal.values())))
        return len(equal)

    async def _remove(
        self, channel: aiormq.Channel, message: WireMessage, copies: Sequence[DeliveredMessage], default: str | None
    ) -> None:
        """Requeue a message to the queue of its first copy, if there is a default queue, and acknowledge all copies."""
        if default is not None:
            origin = _header(copies[0], "queue") or default
            try:
                await channel.basic_publish(
                    message.body, routing_key=origin, properties=properties_of(message), mandatory=True,
                    timeout=self._timeout,
                )  # fmt: skip
            except PublishError as error:
                raise ConfigurationError(
                    f"cannot deliver {message.topic} {message.id} again: its queue {origin} does not exist. Start its "
                    "consumer once, which declares the queue, or drop the message with again=False."
                ) from error
        for each in copies:
            await channel.basic_ack(each.delivery_tag or 0)

    async def _taken(self, channel: aiormq.Channel) -> list[DeliveredMessage]:
        """Return the messages that are in the queue now. They return to it at the end of the lock."""
        try:
            declared = await channel.queue_declare(self._queue, passive=True, timeout=self._timeout)
        except ChannelNotFoundEntity:
            return []
        count = declared.message_count or 0
        found: list[DeliveredMessage] = []
        arrived = asyncio.Event()

        async def receive(message: DeliveredMessage) -> None:
            found.append(message)
            if len(found) >= count:
                arrived.set()

        await channel.basic_qos(prefetch_count=min(max(count, 1), _PREFETCH), timeout=self._timeout)
        tags = [f"{self._queue}:{number}" for number in range(ceil(count / _PREFETCH))]
        for tag in tags:
            await channel.basic_consume(self._queue, receive, consumer_tag=tag)
        before = -1
        while tags and not arrived.is_set() and len(found) > before:
            before = len(found)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timeout):
                    await arrived.wait()
        for tag in tags:
            await channel.basic_cancel(tag)
        return sorted(found, key=lambda each: each.delivery_tag or 0)

    @asynccontextmanager
    async def _locked(self) -> AsyncIterator[aiormq.Channel]:
        """Work with the queue over a connection of its own, while no other operator does.

        Raises:
            TransientFailure: the broker does not answer, or another operator does not finish.
        """
        try:
            with losses():
                async with asyncio.timeout(self._timeout):
                    connection = await connect(self._url, self._options, repairing=True)
                try:
                    await self._lock(connection)
                    async with asyncio.timeout(self._timeout):
                        channel = await underlying(await connection.channel(on_return_raises=True))
                    yield channel
                finally:
                    await asyncio.shield(connection.close())
        except LOST as error:
            raise unavailable(error) from error

    async def _lock(self, connection: Connection) -> None:
        """Wait until no other operation has the lock.

        Raises:
            TransientFailure: another operation has the lock for too long.
        """
        backoff, now = Backoff(0.02, 0.5), asyncio.get_running_loop().time
        deadline = now() + _TURN
        while True:
            async with asyncio.timeout(self._timeout):
                channel = await connection.channel(publisher_confirms=False)  # a refusal closes the channel
                try:
                    await channel.declare_queue(f"{self._queue}.lock", exclusive=True)
                    return
                except ChannelLockedResource as error:
                    if now() > deadline:
                        raise TransientFailure(
                            f"cannot read the messages in {self._queue}: another operator has been reading "
                            f"them for more than {_TURN:g} s. Try again."
                        ) from error
            await asyncio.sleep(backoff.next())

    async def _return(self, channel: aiormq.Channel, number: int) -> None:
        """Return the messages that were read and not removed, and wait until the queue has them again."""
        if not number:
            return
        await channel.basic_nack(0, multiple=True, requeue=True)

        backoff = Backoff(0.002, 0.1)
        async with asyncio.timeout(self._timeout):
            while True:
                declared = await channel.queue_declare(self._queue, passive=True)
                if (declared.message_count or 0) >= number:
                    return
                await asyncio.sleep(backoff.next())


def _header(delivered: DeliveredMessage, name: str) -> str | None:
    found = (delivered.header.properties.headers or {}).get(name)
    return None if found is None else text_of(found)
