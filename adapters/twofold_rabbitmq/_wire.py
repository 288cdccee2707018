"""Events as AMQP messages."""

from __future__ import annotations

from aiormq import spec
from aiormq.abc import DeliveredMessage

from twofold.errors import MessageTooLarge
from twofold.ports import WireMessage, check_body

LONGEST_KEY = 4_000
"""The maximum length of a key, in bytes. Keys travel in a header frame, whose size the broker limits."""

_LONGEST_NAME = 240
"""The maximum length of an id or a topic, in bytes. A short string of AMQP has at most 255."""


def check_message(message: WireMessage) -> None:
    """Validate the size of a message.

    Raises:
        MessageTooLarge: the body, the id, the topic or the key is too long.
    """
    named = f"{message.topic[:80]} {message.id[:80]}"
    check_body(message.body, f"publish {named}")
    for what, text, limit in (
        ("id", message.id, _LONGEST_NAME),
        ("topic", message.topic, _LONGEST_NAME),
        ("key", message.key or "", LONGEST_KEY),
    ):
        if len(text.encode()) > limit:
            raise MessageTooLarge(
                f"cannot publish {named}: its {what} has {len(text.encode())} bytes, the limit is {limit}. Use a shorter "
                f"{what}, such as a hash."
            )


def properties_of(message: WireMessage, **headers: str) -> spec.Basic.Properties:
    """Return the properties of a message.

    The id is a header, as aiormq matches a returned message with its publisher by `message_id`, which must be unique.
    """
    known = {"id": message.id, **({} if message.key is None else {"key": message.key}), **headers}
    return spec.Basic.Properties(
        content_type="application/cloudevents+json",
        delivery_mode=2,
        headers=dict(known),
        message_type=message.topic,
    )


def message_of(delivered: DeliveredMessage) -> WireMessage:
    """Return the message in a delivery."""
    properties = delivered.header.properties
    headers = properties.headers or {}
    key = headers.get("key")
    return WireMessage(
        id=text_of(headers.get("id", properties.message_id or "")),
        topic=properties.message_type or "",
        key=None if key is None else text_of(key),
        body=delivered.body,
    )


def text_of(value: object) -> str:
    """Return the value of a header as a text. Clients may send bytes, numbers or tables."""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes | bytearray) else str(value)


def truncated(message: WireMessage) -> WireMessage:
    """Return a message whose id and key fit into a header frame; the broker closes the connection for a larger frame."""
    key = None if message.key is None else message.key[:LONGEST_KEY]
    return message._replace(id=message.id[:LONGEST_KEY], key=key)
