"""Messages that are published: the publisher of a broker, and the outcome of each message."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final, NamedTuple, Protocol

from ..errors import MessageTooLarge

LARGEST_BODY: Final = 1_048_576
"""The maximum size of a message body, in bytes."""


def check_body(body: bytes, attempt: str) -> None:
    """Validate the size of a body.

    Args:
        body: the body.
        attempt: the operation, for the error message, such as "publish shop.sold 1".

    Raises:
        MessageTooLarge: the body has more than `LARGEST_BODY` bytes.
    """
    if len(body) > LARGEST_BODY:
        raise MessageTooLarge(
            f"cannot {attempt}: the body has {len(body)} bytes, the limit is {LARGEST_BODY}. Store large data elsewhere, "
            "and send a reference to it."
        )


class WireMessage(NamedTuple):
    """A message as a broker carries it.

    Attributes:
        id: identifies the message. It does not change when the message is published again; receivers recognise duplicates.
        topic: what receivers subscribe to: the wire name of an event. Letters, digits, `_`, `-` and `.`.
        key: messages of one key stay in order. A message with the key None goes to every partition of every receiver, after
            all messages that the same publisher published before it.
        body: the content, in UTF-8.
        mark: the topic of the messages without a key that the same publisher publishes; None if there are none. It is not
            delivered. A broker that may have lost earlier messages of the publisher refuses this one; see `Publisher.kept`.
    """

    id: str
    topic: str
    key: str | None
    body: bytes
    mark: str | None = None


class Outcome(Enum):
    """The result of publishing a message.

    Only CONFIRMED is a success. A message with an UNKNOWN outcome may have arrived. It is published again, and receivers
    recognise the duplicate.
    """

    CONFIRMED = "confirmed"
    """The broker has stored the message for every receiver that is declared."""
    UNROUTABLE = "unroutable"
    """The broker answers that there is no receiver. It stores nothing."""
    UNKNOWN = "unknown"
    """The broker did not answer in time, refused the message, or was not available."""
    UNSENT = "unsent"
    """The message was not sent, because an earlier message of its key or its partition was not confirmed."""
    BEHIND = "behind"
    """The broker was restarted or replaced, and may have lost messages that it confirmed. It did not store this message; see
    `Publisher.kept`."""


class Publisher(Protocol):
    """Publish messages to a broker.

    Order: messages of one key arrive in the order in which one call, or one call after another, publishes them. Concurrent
    calls have no order. A message is sent after all earlier messages of its key are confirmed. Messages of other keys are
    sent meanwhile, so a batch does not wait for a round trip per message.
    """

    @property
    def problem(self) -> str | None:
        """Why the last message that was sent was not confirmed; None if it was confirmed or had no receiver."""
        ...

    async def publish(self, messages: Sequence[WireMessage]) -> Sequence[Outcome]:
        """Publish messages. Return the outcome of each, in their order.

        A broker that is not available is not an error here but the outcome UNKNOWN, after the adapter's timeout at the
        latest. Concurrent calls are allowed. If a call is cancelled, the outcome of its messages is unknown.

        Raises:
            MessageTooLarge: a body has more than `LARGEST_BODY` bytes, or another field is longer than this broker allows.
                Nothing was sent. The error names the message and the limit.
        """
        ...

    async def kept(self, topic: str) -> Sequence[bytes]:
        """Return the body of the last message without a key on a topic, of each partition that has one.

        A partition has everything that was published before such a message. A broker that may lose confirmed messages, as
        a replica that was behind does, refuses messages with this mark and those without a key afterwards, with the outcome
        BEHIND. The caller calls `resume`, and then publishes everything after the oldest of these messages again. A broker
        that loses no confirmed message returns none.

        Raises:
            TransientFailure: the broker is not available.
        """
        ...

    async def resume(self, topic: str) -> None:
        """Accept messages without a key on a topic, and those with this mark, after the outcome BEHIND.

        Raises:
            TransientFailure: the broker is not available.
        """
        ...
