"""Requests and replies as AMQP messages."""

from __future__ import annotations

import time

from aiormq import spec
from aiormq.abc import DeliveredMessage

from twofold.ports import Request, logger_of

from ._wire import text_of

logger = logger_of("twofold.rabbitmq")

REPLIES = "amq.rabbitmq.reply-to"
"""RabbitMQ's direct reply-to: a pseudo-queue for the channel of the requester. Replies to a closed channel are dropped."""

TOO_LARGE = "too large"
"""The type of a reply that contains the size of the real reply, which exceeds the limit."""

_LONGEST = 1_500.0
"""The maximum seconds to handle a request. By default the broker takes a delivery back after 30 minutes."""


def properties_of(request: Request, call: str, seconds: float) -> spec.Basic.Properties:
    """Return the properties of a request.

    Args:
        request: the request.
        call: the correlation id of the reply.
        seconds: the time until the deadline.
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
    """Return the request in a delivery."""
    properties = delivered.header.properties
    headers = properties.headers or {}
    key = headers.get("key")
    id_ = text_of(headers.get("id", properties.message_id or ""))
    return Request(id_, None if key is None else text_of(key), delivered.body)


def shown_id(request: Request) -> str:
    """Return the id of a request for a log line. Any client may send line breaks, controls and long texts."""
    return repr(request.id[:80])


def seconds_left(delivered: DeliveredMessage, service: str) -> float:
    """Return the seconds that are left to handle a request that has just been delivered.

    The broker does not deliver a request whose expiration has passed, and measures that without the requester's clock.
    The deadline only says how much of that time is left. If it contradicts the broker, the two clocks differ.
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
            "%s handles %s although its deadline passed %.1f s ago by the local clock: the broker has not expired it. Check "
            "the clocks of this machine and of the requester.",
            *(service, shown_id(request_of(delivered)), -left),
        )
        left = whole
    return min(left, whole, _LONGEST)
