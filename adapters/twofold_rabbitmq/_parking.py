"""List the parked messages of a consumer, and take them out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import aiormq
from aio_pika.exceptions import InvalidFrameError, PublishError
from aiormq.abc import DeliveredMessage

from twofold.errors import ConfigurationError
from twofold.ports import ParkedDelivery

from ._losses import losses
from ._wire import message_of, properties_of


async def parked_in(channel: aiormq.Channel, queue: str, timeout: float) -> Sequence[ParkedDelivery]:
    """Return the messages of a queue, oldest first, each id once. They return to the queue when the channel closes."""
    found: dict[str, ParkedDelivery] = {}
    async for each in _messages(channel, queue, timeout):
        headers = each.header.properties.headers or {}
        reason = str(headers.get("reason", "it was delivered too often, and its consumer failed each time"))
        message = message_of(each)
        found.setdefault(message.id, ParkedDelivery(message, reason))
    return list(found.values())


async def unpark(
    channel: aiormq.Channel, queue: str, ids: Sequence[str], timeout: float, *, again: bool, default: str
) -> int:
    """Remove messages from a queue. Return how many there were.

    Args:
        channel: a channel that nobody else uses.
        queue: the queue of parked messages.
        ids: the ids of the messages.
        timeout: how long an answer of the broker may take, in seconds.
        again: whether to deliver the messages once more, to the queues that they came from.
        default: the queue for a message that does not say where it came from.
    """
    done: set[str] = set()
    async for each in _messages(channel, queue, timeout):
        message = message_of(each)
        if message.id not in ids:
            continue
        if again and message.id not in done:
            origin = str((each.header.properties.headers or {}).get("queue", default))
            try:
                await channel.basic_publish(
                    each.body, routing_key=origin, properties=properties_of(message), mandatory=True, timeout=timeout
                )
            except PublishError as error:
                raise ConfigurationError(
                    f"cannot deliver {message.topic} {message.id} again: its queue {origin} does not exist. Start its "
                    "consumer once, which declares the queue, or drop the message with again=False."
                ) from error
        await channel.basic_ack(each.delivery_tag or 0)
        done.add(message.id)
    return len(done)


async def _messages(channel: aiormq.Channel, queue: str, timeout: float) -> AsyncIterator[DeliveredMessage]:
    while True:
        try:
            with losses():
                found = await channel.basic_get(queue, timeout=timeout)
        except InvalidFrameError as error:
            raise ConfigurationError(
                f"cannot read {queue} any further: its next message is not valid AMQP ({error}). Remove that message with "
                f"the broker's own tools, or delete all messages with rabbitmqctl purge_queue {queue}."
            ) from error
        if isinstance(found.delivery, aiormq.spec.Basic.GetEmpty):
            return
        yield found
