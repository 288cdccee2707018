"""Requests and replies as AMQP messages."""

from __future__ import annotations

import logging
import time

from aiormq import spec
from aiormq.abc import DeliveredMessage

from twofold.ports import Request

logger = logging.getLogger("twofold.rabbitmq")

REPLIES = "amq.rabbitmq.reply-to"
"""What stands for the channel that asks: the broker hands replies to it directly, and drops those that come too late."""

TOO_LARGE = "too large"
"""The type of a reply that says how many bytes the real one has, which is more than is carried."""

_LONGEST = 1_500.0
"""How long a request may be dealt with, in seconds: the broker takes a message back after half an hour."""


def asking(request: Request, call: str, seconds: float) -> spec.Basic.Properties:
    """Return what travels beside a request.

    Args:
        request: the request.
        call: what its reply is recognised by.
        seconds: until its deadline.
    """
    headers: dict[str, str | int] = {"id": request.id, "deadline": int((time.time() + seconds) * 1000)}
    if request.key is not None:
        headers["key"] = request.key
    return spec.Basic.Properties(
        content_type="application/json",
        correlation_id=call,
        delivery_mode=2,
        expiration=str(max(1, int(seconds * 1000))),
        headers=dict(headers),
        reply_to=REPLIES,
    )


def request_of(delivered: DeliveredMessage) -> Request:
    """Return a request as it was sent."""
    properties = delivered.header.properties
    headers = properties.headers or {}
    key = headers.get("key")
    found = str(headers.get("id", properties.message_id or ""))
    return Request(found, None if key is None else str(key), delivered.body)


def seconds_left(delivered: DeliveredMessage, service: str) -> float:
    """Return how long a request may be dealt with that has just come.

    The broker hands none out whose expiration has passed, and measures that without the sender's clock. The time of the
    deadline only says how much of it is left; where it contradicts the broker, one of the clocks is wrong.
    """
    properties = delivered.header.properties
    try:
        whole = int(properties.expiration or 0) / 1000
    except ValueError:
        whole = 0.0
    deadline = (properties.headers or {}).get("deadline")
    left = deadline / 1000 - time.time() if isinstance(deadline, int) else whole
    if left <= 0 < whole:
        logger.warning(
            "%s deals with %s although its deadline was %.1f s ago by the clock here: the broker says that it was not. See "
            "whether the clocks of this machine and of the requester's agree.",
            *(service, request_of(delivered).id, -left),
        )
        left = whole
    return min(left, whole, _LONGEST)
