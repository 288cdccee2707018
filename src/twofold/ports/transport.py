"""Messages between processes: a broker that publishes, delivers and keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, Protocol

from .._background.log_lines import logger_of
from .publisher import Publisher, WireMessage
from .receiver import Receiver

logger = logger_of("twofold.operations")

_NAMED: Final = 20
"""The number of ids that a log line names."""


def log_dropped(consumer: str, ids: Sequence[str], dropped: int) -> None:
    """Log the parked messages that an operator has dropped, without their content: `Transport.unpark(again=False)`.

    Args:
        consumer: the consumer that parked the messages.
        ids: the ids that the operator named.
        dropped: the number of dropped messages.
    """
    if dropped:
        more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
        named = ", ".join(f"{each!r:.100}" for each in ids[:_NAMED])
        logger.warning("%s: an operator dropped %d parked message(s) of the ids %s%s", consumer, dropped, named, more)


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

    Any client of the broker may publish any bytes. A message that is malformed at the level of the broker (a field is
    missing, or has another type or encoding) is delivered like the others, with its readable parts, and can be parked.
    It does not delay other messages.

    Deliveries that are not settled when a consumer closes, its process dies or its connection is lost are delivered
    again, before later messages of their keys. A lost connection, queue, stream or group is restored and checked, and
    the consumer receives again within ten seconds of the broker's return. A warning reports messages that were lost
    with it. Settling a delivery from before such a loss has no effect: it is delivered again.
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
        """Store a message durably for operators, then accept it; see `park_all`."""
        ...

    async def park_all(self, refused: Sequence[tuple[Delivery, str]]) -> None:
        """Store messages durably for operators, in their order, then accept them. They are not delivered again.

        Messages that differ are stored each on its own, also if their senders gave them the same id. The call takes about
        as long as publishing the messages in one call.

        Args:
            refused: deliveries, each with the reason why it is parked, for people. Any text is allowed.

        Raises:
            TransientFailure: the broker is not available. The call can be repeated; the messages that were not parked are
                delivered again when the consumer closes.
        """
        ...


class Transport(Protocol):
    """A broker. An application publishes and consumes; operators read and repair parked messages."""

    @property
    def system(self) -> str:
        """The name of the messaging system in telemetry: a word in lower case, such as "rabbitmq". Known before `open`."""
        ...

    async def open(self) -> None:
        """Connect, and declare the objects for publishing. Safe to repeat, also concurrently and after `close`.

        Raises:
            TransientFailure: the broker does not answer.
            ConfigurationError: the broker refuses the user, or an object for publishing exists with other settings.
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
        """Return the parked messages of a consumer, oldest first. They stay parked.

        Concurrent calls, also of other processes, return all messages each.

        Raises:
            TransientFailure: the broker is not available.
        """
        ...

    async def parked_count(self, consumer: str) -> int:
        """Return the number of parked messages of a consumer; 0 for an unknown consumer. No message is read.

        The cost does not depend on the number of messages, so that health probes can call it. A message without
        a key counts once for each partition that parked it. While an operator reads or
        removes parked messages, the number may leave out these messages.

        Raises:
            TransientFailure: the broker is not available.
        """
        ...

    async def unpark(self, consumer: str, ids: Sequence[str], *, again: bool) -> int:
        """Remove parked messages. Return how many there were.

        A message that is delivered again and parked again, also during this call, is parked once and is not lost. Concurrent
        calls with the same ids deliver each message once.

        Args:
            consumer: the consumer that parked them.
            ids: the ids of the messages.
            again: deliver the messages to that consumer again, durably before they are removed, and only to partitions that
                parked them. Otherwise they are deleted, and a warning logs how many there were, with the ids.
        """
        ...

    async def waiting(self, feed: Feed) -> int:
        """Return how many messages of a feed are not settled; 0 if the feed was never declared.

        Raises:
            TransientFailure: the broker is not available.
        """
        ...

    async def delete_consumer(self, consumer: str) -> bool:
        """Delete a consumer with its waiting and parked messages. Return whether it existed.

        Until then the broker keeps messages for it, even if no process consumes them. No process may consume during
        this call.

        Args:
            consumer: its name: `<application>.<source>`, unless `consume(consumer=…)` sets another one.

        Raises:
            TransientFailure: the broker is not available.
        """
        ...
