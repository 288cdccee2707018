"""Messages between processes: a broker that publishes, delivers and keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal, NamedTuple, Protocol

from ..errors import MessageTooLarge
from .receiver import Receiver

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
    """

    id: str
    topic: str
    key: str | None
    body: bytes


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


class Publisher(Protocol):
    """Publish messages to a broker.

    Order: messages of one key arrive in the order in which one call, or one call after another, publishes them. Concurrent
    calls have no order. A message is sent after all earlier messages of its key are confirmed. Messages of other keys are
    sent meanwhile, so a batch does not wait for a round trip per message.
    """

    @property
    def trouble(self) -> str | None:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """The messages that a consumer receives, and how its processes share them.

    Attributes:
        consumer: the consumer's stable name. All processes of a consumer share its messages, and each consumer gets its own
            copy. Letters, digits, `_`, `-` and `.`.
        topics: the topics.
        partitions: the number of partitions into which messages are divided by their keys. One process at a time receives a
            partition.
        start: where a new consumer starts: "now", or at the "beginning" of the messages that the broker still keeps.
    """

    consumer: str
    topics: tuple[str, ...]
    partitions: int = 1
    start: Literal["now", "beginning"] = "now"


class Delivery(NamedTuple):
    """A message that was received and must be settled: accepted or parked.

    Attributes:
        message: the message.
        partition: the partition of the feed that the message belongs to, from 0.
        receipt: how the adapter identifies this delivery; opaque to everyone else.
    """

    message: WireMessage
    partition: int
    receipt: object


class ParkedDelivery(NamedTuple):
    """A message that a consumer has parked (a dead letter).

    Attributes:
        message: the message.
        reason: why it was parked, for people.
    """

    message: WireMessage
    reason: str


class Consumer(Receiver, Protocol):
    """Receive the messages of a feed: at least once, and in order per key.

    Deliveries that are not settled when a consumer closes, its process dies or its connection is lost are delivered again,
    before later messages of their keys. A lost connection, queue, stream or group is restored and checked, and the consumer
    receives again within ten seconds of the broker's return. A warning reports messages that were lost with it. Settling a
    delivery from before such a loss has no effect: it is delivered again.
    """

    async def receive(self, *, limit: int = 100) -> Sequence[Delivery]:
        """Wait until there are messages. Return at most `limit`, those of one key in order.

        The call does not wait for earlier deliveries to be settled, unless the adapter's window of unsettled deliveries is
        full. A cancelled call has received nothing.
        """
        ...

    async def accept(self, deliveries: Sequence[Delivery]) -> None:
        """Acknowledge deliveries. The broker deletes their messages.

        Raises:
            TransientFailure: the broker is not available. The call can be repeated; messages that were not acknowledged are
                delivered again.
        """
        ...

    async def park(self, delivery: Delivery, reason: str) -> None:
        """Store a message durably for operators, then accept it. It is not delivered again.

        Args:
            delivery: the delivery.
            reason: why, for people.

        Raises:
            TransientFailure: the broker is not available. The call can be repeated, or the message is delivered again.
        """
        ...


class Transport(Protocol):
    """A broker. An application publishes to it and consumes from it; operators call `parked`, `unpark` and `forget`."""

    async def open(self) -> None:
        """Connect, and declare what publishing needs. Safe to repeat, also concurrently and after `close`.

        Raises:
            TransientFailure: the broker does not answer.
            ConfigurationError: the broker refuses the user, or has what publishing needs in another form.
        """
        ...

    async def close(self) -> None:
        """Close what the adapter opened. The caller that created a client closes it."""
        ...

    @property
    def publisher(self) -> Publisher:
        """The publisher; usable while the transport is open."""
        ...

    def partitions(self, feed: Feed) -> int:
        """Return the number of partitions of a feed: `feed.partitions`, unless the broker has a number of its own."""
        ...

    async def declare(self, feed: Feed) -> None:
        """Declare a feed, so that the broker keeps messages for it from now on. Safe to repeat.

        Raises:
            ConfigurationError: the broker has the feed in another form, or does not support it.
        """
        ...

    def consume(self, feed: Feed) -> AbstractAsyncContextManager[Consumer]:
        """Declare a feed, and consume the partitions that no other process consumes, inside the block.

        Deliveries that are not settled at the end of the block are delivered again.
        """
        ...

    async def parked(self, consumer: str) -> Sequence[ParkedDelivery]:
        """Return the parked messages of a consumer, oldest first."""
        ...

    async def unpark(self, consumer: str, ids: Sequence[str], *, again: bool) -> int:
        """Remove parked messages. Return how many there were.

        Args:
            consumer: the consumer that parked them.
            ids: the ids of the messages.
            again: deliver the messages to that consumer again, durably before they are removed, and only to partitions that
                parked them. Otherwise they are deleted.
        """
        ...

    async def waiting(self, feed: Feed) -> int:
        """Return how many messages of a feed are not settled; 0 if the feed was never declared.

        Raises:
            TransientFailure: the broker is not available.
        """
        ...

    async def forget(self, consumer: str) -> bool:
        """Delete a consumer with its waiting and parked messages. Return whether it existed.

        Until then the broker keeps messages for it, even if no process consumes them. No process may consume meanwhile.

        Args:
            consumer: its name: `<application>.<source>`, unless `consume(consumer=…)` sets another one.

        Raises:
            TransientFailure: the broker is not available.
        """
        ...
