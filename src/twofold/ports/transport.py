"""Messages between processes: publishing them through a broker, and receiving what others published."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal, NamedTuple, Protocol

from ..errors import MessageTooLarge
from .receiver import Receiver

LARGEST_BODY: Final = 1_048_576
"""How large the body of a message is at most, in bytes."""


def check_body(body: bytes, attempt: str) -> None:
    """See that a body is not too large.

    Args:
        body: the body.
        attempt: what is tried with it, such as "publish shop.sold 1".

    Raises:
        MessageTooLarge: it has more than `LARGEST_BODY` bytes.
    """
    if len(body) > LARGEST_BODY:
        raise MessageTooLarge(
            f"cannot {attempt}: it has {len(body)} bytes, and {LARGEST_BODY} are the limit. Keep large data elsewhere, and "
            "send a reference to it."
        )


class WireMessage(NamedTuple):
    """A message as a broker carries it.

    Attributes:
        id: the same each time the message is published again; receivers recognise a repeat by it.
        topic: what it is, as receivers ask for it: the wire name of an event. Letters, digits, `_`, `-` and `.`.
        key: messages of one key stay in order. None is for every partition of every receiver, in order with all that the
            same publisher published before.
        body: its content, in UTF-8.
    """

    id: str
    topic: str
    key: str | None
    body: bytes


class Outcome(Enum):
    """What became of a message that was to be published.

    Only the first is a success. What is unknown may have arrived, and is published again; receivers recognise it.
    """

    CONFIRMED = "confirmed"
    """The broker has taken responsibility for it, for every receiver that was declared."""
    UNROUTABLE = "unroutable"
    """The broker answers that there is no receiver; it keeps nothing."""
    UNKNOWN = "unknown"
    """The broker did not answer in time, refused it, or was away."""
    UNSENT = "unsent"
    """It was not tried, because one that came before it, of its key or in its part, was not confirmed."""


class Publisher(Protocol):
    """Hand messages to a broker.

    Order: what one call, or one call after another, publishes of one key arrives in that order; between calls at the same
    time there is none. A message is not sent before all earlier ones of its key are confirmed; those of other keys are under
    way meanwhile, so that nobody waits for a round trip a message.
    """

    @property
    def trouble(self) -> str | None:
        """Why the last message that was tried was not confirmed, in words; None when it was, or had no receiver."""
        ...

    async def publish(self, messages: Sequence[WireMessage]) -> Sequence[Outcome]:
        """Publish messages; return what became of each, in their order.

        A broker that is away is no error here but the outcome UNKNOWN, after the adapter's time-out at the latest. Calls
        from several tasks are allowed. Cancelled, it leaves open what became of them.

        Raises:
            MessageTooLarge: a body has more than `LARGEST_BODY` bytes, or something else of a message is longer than this
                broker takes; nothing was sent. The text says of which message, and what to do.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """What a consumer wants to receive, and how it shares the work.

    Attributes:
        consumer: the consumer's stable name. All processes that use it share its messages; each consumer gets its own
            copy. Letters, digits, `_`, `-` and `.`.
        topics: which topics it receives.
        partitions: into how many parts its messages are divided, by their key. One process at a time receives a part.
        start: where a new consumer begins: "now", or "beginning": with all that the broker has still kept.
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
    """A message that a consumer has set aside.

    Attributes:
        message: the message.
        reason: why, in words.
    """

    message: WireMessage
    reason: str


class Consumer(Receiver, Protocol):
    """Receive the messages of a feed: at least once, those of one key in order.

    What is not settled when a consumer ends, its process dies or its connection is lost is delivered again, before what
    comes after it of its key. A connection, queue, stream or group that is lost is made anew, checked, and received from
    within ten seconds of the broker's return; what is lost with it is reported by a warning, never passed over in
    silence. Settling a delivery from before such a loss does nothing, as it comes again.
    """

    async def receive(self, *, limit: int = 100) -> Sequence[Delivery]:
        """Wait until there are messages; return those that are there, at most so many, those of one key in order.

        It does not wait for earlier ones to be settled, as long as no more than the adapter's window are open.
        Cancelled, it has received nothing.
        """
        ...

    async def accept(self, deliveries: Sequence[Delivery]) -> None:
        """Tell the broker that these are dealt with; it forgets them.

        Raises:
            TransientFailure: the broker is away; it may be repeated, and what was not accepted comes again.
        """
        ...

    async def park(self, delivery: Delivery, reason: str) -> None:
        """Set a message aside: it is kept for people, durably before it is accepted, and delivered no more.

        Args:
            delivery: the delivery.
            reason: why, in words.

        Raises:
            TransientFailure: the broker is away; it may be repeated, or the message comes again.
        """
        ...


class Transport(Protocol):
    """A broker: what publishes to it, receives from it, and says what it keeps."""

    async def open(self) -> None:
        """Connect, and declare what publishing needs. It may be called again, at the same time and after `close` too.

        Raises:
            TransientFailure: the broker does not answer.
            ConfigurationError: it does not let us in, or has what publishing needs in another form.
        """
        ...

    async def close(self) -> None:
        """Release what the adapter made itself. What the user passed in stays open."""
        ...

    @property
    def publisher(self) -> Publisher:
        """What publishes; usable while the transport is open."""
        ...

    def parts(self, feed: Feed) -> int:
        """Return into how many parts a feed is divided here: as many as it wants, unless the broker has its own number."""
        ...

    async def declare(self, feed: Feed) -> None:
        """Create what a feed needs, so that what is published from now on is kept for it. Safe to repeat.

        Raises:
            ConfigurationError: the broker has it in another form, or cannot do what is asked; the text says what to do.
        """
        ...

    def consume(self, feed: Feed) -> AbstractAsyncContextManager[Consumer]:
        """Receive a feed inside the block, as far as no other process does; its declaration is made first.

        Leaving the block gives back what is not settled.
        """
        ...

    async def parked(self, consumer: str) -> Sequence[ParkedDelivery]:
        """Return what a consumer has set aside, oldest first."""
        ...

    async def unpark(self, consumer: str, ids: Sequence[str], *, again: bool) -> int:
        """Take parked messages out of the place where they are kept; return how many there were.

        Args:
            consumer: the consumer that parked them.
            ids: the ids of the messages.
            again: deliver them to that consumer once more, durably before they are forgotten, and to no part that had
                not parked them; otherwise they are dropped.
        """
        ...

    async def waiting(self, feed: Feed) -> int:
        """Return how many messages a feed has that are not settled yet; none when it was never declared.

        Raises:
            TransientFailure: the broker is away.
        """
        ...

    async def forget(self, consumer: str) -> bool:
        """Remove a consumer for good, with what waits for it and what it has set aside; return whether there was one.

        Until then everything is kept for it, also when no process receives any more. Nobody may receive for it meanwhile.

        Args:
            consumer: its name: `<application>.<source>`, unless `consume(consumer=…)` says another.

        Raises:
            TransientFailure: the broker is away.
        """
        ...
