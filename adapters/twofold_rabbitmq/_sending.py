"""Send what has to find a queue, and wait until the broker has it."""

from __future__ import annotations

import asyncio
from typing import Any

import aiormq


async def send(channel: aiormq.Channel, body: bytes, **where: Any) -> None:
    """Publish a message over a channel with confirms; return when the broker has it.

    The driver closes its channel when a message comes back that its sender has given up. So whoever is cancelled leaves
    the driver waiting, until the broker answers or the connection ends.

    Args:
        channel: the channel.
        body: the body.
        where: for the driver: exchange, routing key and properties.
    """
    sending = asyncio.create_task(channel.basic_publish(body, mandatory=True, wait=False, **where))
    try:
        await asyncio.shield(sending)
    except asyncio.CancelledError:
        sending.add_done_callback(_heard)
        raise


def _heard(sending: asyncio.Task[Any]) -> None:
    if not sending.cancelled():
        sending.exception()  # nobody is left to hear of it
