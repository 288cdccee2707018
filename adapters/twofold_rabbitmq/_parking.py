"""What a consumer has set aside: look at it, and take it out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import aiormq
from aiormq import spec
from aiormq.abc import DeliveredMessage

from twofold.errors import ConfigurationError
from twofold.ports import ParkedDelivery

from ._connection import losses
from ._consumer import message_of
from ._publisher import properties_of


async def look(channel: aiormq.Channel, queue: str, timeout: float) -> Sequence[ParkedDelivery]:
    """Return what is kept, oldest first, each message once; all goes back when the channel closes."""
    found: dict[str, ParkedDelivery] = {}
    async for each in _kept(channel, queue, timeout):
        headers = each.header.properties.headers or {}
        reason = str(headers.get("reason", "it was delivered too often, and its consumer died each time"))
        message = message_of(each)
        found.setdefault(message.id, ParkedDelivery(message, reason))
    return list(found.values())


async def take(
    channel: aiormq.Channel, queue: str, ids: Sequence[str], timeout: float, *, again: bool, parts: Sequence[str]
) -> int:
    """Take messages out; deliver them once more where that is wanted. Return how many there were.

    Args:
        channel: a channel of its own.
        queue: where they are kept.
        ids: which.
        timeout: how long an answer of the broker may take, in seconds.
        again: whether to deliver them.
        parts: the queue for one that does not say where it came from.
    """
    done: set[str] = set()
    async for each in _kept(channel, queue, timeout):
        message = message_of(each)
        if message.id not in ids:
            continue
        if again and message.id not in done:
            back = str((each.header.properties.headers or {}).get("queue", parts[0]))
            try:
                await channel.basic_publish(
                    each.body, routing_key=back, properties=properties_of(message), mandatory=True, timeout=timeout
                )
            except aiormq.PublishError as error:
                raise ConfigurationError(
                    f"cannot deliver {message.topic} {message.id} again: its queue {back} is gone. Start once what "
                    "consumes it, which makes the queue anew, or drop the message."
                ) from error
        await channel.basic_ack(each.delivery_tag or 0)
        done.add(message.id)
    return len(done)


async def _kept(channel: aiormq.Channel, queue: str, timeout: float) -> AsyncIterator[DeliveredMessage]:
    while True:
        try:
            with losses():
                found = await channel.basic_get(queue, timeout=timeout)
        except aiormq.InvalidFrameError as error:
            raise ConfigurationError(
                f"cannot look further into {queue}: the next message in it cannot be read ({error}). Take it out in the "
                f"broker's own console, or drop everything in it with rabbitmqctl purge_queue {queue}."
            ) from error
        if isinstance(found.delivery, spec.Basic.GetEmpty):
            return
        yield found
