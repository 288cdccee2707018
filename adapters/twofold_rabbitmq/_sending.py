"""Publish with a confirm, safely under cancellation."""

from __future__ import annotations

import asyncio
from typing import Any

import aiormq


async def send(channel: aiormq.Channel, body: bytes, **where: Any) -> None:
    """Publish a message. Return when the broker has confirmed it.

    aiormq closes a channel when the broker returns a message whose publisher was cancelled. So a cancelled call leaves a
    task behind that waits for the broker's answer, or for the end of the connection.

    Args:
        channel: a channel with publisher confirms.
        body: the body.
        where: the exchange, routing key and properties, as for `basic_publish`.
    """
    sending = asyncio.create_task(channel.basic_publish(body, mandatory=True, wait=False, **where))
    try:
        await asyncio.shield(sending)
    except asyncio.CancelledError:
        sending.add_done_callback(_retrieve)
        raise


def _retrieve(sending: asyncio.Task[Any]) -> None:
    if not sending.cancelled():
        sending.exception()  # otherwise asyncio logs that it was never retrieved
