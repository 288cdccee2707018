"""Functions that open transports, and that create, send and receive messages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from itertools import count
from typing import Literal, TypeAlias

from twofold.ports import Consumer, Delivery, Feed, Outcome, Transport, WireMessage

from .in_time import in_time

Connect: TypeAlias = Callable[[], Awaitable[Transport]]
"""Returns an open transport, as another process would have it. The transport is closed with the broker."""

NewBroker: TypeAlias = Callable[[], AbstractAsyncContextManager[Connect]]
"""Opens an empty broker; the fixture of the suite."""

TOPIC = "shop.placed"

_numbers = count(1)


def message(text: str = "", *, key: str | None = "k", topic: str = TOPIC) -> WireMessage:
    """Return a message with a new id."""
    return WireMessage(f"m{next(_numbers)}", topic, key, text.encode())


def messages(number: int, *, key: str | None = "k", topic: str = TOPIC) -> list[WireMessage]:
    """Return messages of one key, numbered from 0."""
    return [message(str(each), key=key, topic=topic) for each in range(number)]


def feed(
    consumer: str = "mail",
    *topics: str,
    partitions: int = 1,
    start: Literal["now", "beginning"] = "now",
) -> Feed:
    """Return a feed of the named topics, by default of one topic."""
    return Feed(consumer=consumer, topics=topics or (TOPIC,), partitions=partitions, start=start)


async def publish(transport: Transport, *published: WireMessage) -> None:
    """Publish messages, and check that all are confirmed."""
    with in_time():
        outcomes = await transport.publisher.publish(published)
    assert list(outcomes) == [Outcome.CONFIRMED] * len(published)


async def taken(consumer: Consumer, number: int) -> list[Delivery]:
    """Receive this number of deliveries, and settle none."""
    found: list[Delivery] = []
    while len(found) < number:
        with in_time():
            found += await consumer.receive(limit=number - len(found))
    assert len(found) == number
    return found


async def accepted(consumer: Consumer, number: int) -> list[WireMessage]:
    """Receive and accept this number of messages."""
    found: list[WireMessage] = []
    while len(found) < number:
        with in_time():
            deliveries = await consumer.receive(limit=min(100, number - len(found)))
            await consumer.accept(deliveries)
        found += contents(deliveries)
    return found


async def left(transport: Transport, wanted: Feed) -> list[WireMessage]:
    """Accept and return the remaining messages of a feed with one partition, up to a message that is published last."""
    last = message("the last one", key="k", topic=wanted.topics[0])
    await publish(transport, last)
    found: list[WireMessage] = []
    async with transport.consume(wanted) as consumer:
        while last not in found:
            found += await accepted(consumer, 1)
    found.remove(last)
    return found


def contents(deliveries: Sequence[Delivery]) -> list[WireMessage]:
    """Return the messages of deliveries."""
    return [delivery.message for delivery in deliveries]


def by_key(found: Sequence[WireMessage]) -> dict[str | None, list[WireMessage]]:
    """Return messages by their keys, in their order."""
    keys: dict[str | None, list[WireMessage]] = {}
    for each in found:
        keys.setdefault(each.key, []).append(each)
    return keys
