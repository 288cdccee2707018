"""Publishers and consumers that run while the broker is broken."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Self

import aiormq

from tests.servers.process import PrivateServer
from tests.servers.rabbitmq import control
from twofold.ports import Feed, Outcome, WireMessage
from twofold.testing.conformance._tools.in_time import CEILING, in_time, until
from twofold_rabbitmq import RabbitMQ

TOPIC = "shop.placed"
TIMEOUT = 2.0
"""The timeout of the adapter in these tests, in seconds."""

SOON = TIMEOUT + CEILING / 4
"""The seconds in which that timeout passes, also on a busy machine. Without it the driver would wait for minutes."""


class Broken:
    """A broker that the tests break, with functions that connect to it.

    Args:
        server: the broker.
    """

    def __init__(self, server: PrivateServer) -> None:
        self.server = server
        self.prefix = f"t{secrets.token_hex(4)}"
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opened.aclose()

    async def connect(self, url: str | None = None, *, prefetch: int = 200, timeout: float = TIMEOUT) -> RabbitMQ:
        """Return a transport that is open, as a process has its own."""
        transport = RabbitMQ(url or self.server.url, prefix=self.prefix, timeout=timeout, prefetch=prefetch)
        await transport.open()
        self._opened.push_async_callback(transport.close)
        return transport

    async def control(self, *words: str) -> str:
        """Run `rabbitmqctl`."""
        return await asyncio.to_thread(control, self.server, *words)

    @asynccontextmanager
    async def administrator(self) -> AsyncIterator[aiormq.abc.AbstractChannel]:
        """Open a channel that inspects and deletes queues."""
        async with aiormq.connect(self.server.url) as connection:
            yield await connection.channel()


def placed(number: int, *, keys: int = 50) -> list[WireMessage]:
    """Return `number` messages."""
    run = secrets.token_hex(4)
    return [WireMessage(f"{run}-{each}", TOPIC, f"k{each % keys}", str(each).encode()) for each in range(number)]


def feed(consumer: str = "mail", *, partitions: int = 1) -> Feed:
    """Return a feed of them."""
    return Feed(consumer=consumer, topics=(TOPIC,), partitions=partitions)


async def publish_all(
    transport: RabbitMQ, messages: Iterable[WireMessage], *, confirmed: Callable[[int], None] = lambda _: None
) -> None:
    """Publish messages as a relay does: after a failure, publish again from the first unconfirmed message of a key.

    Args:
        transport: the transport.
        messages: the messages.
        confirmed: called now and then with the number of confirmed messages.
    """
    left, done = list(messages), 0
    with in_time():
        while left:
            page = left[:500]
            outcomes = await transport.publisher.publish(page)
            again = [each for each, outcome in zip(page, outcomes, strict=True) if outcome is not Outcome.CONFIRMED]
            left[:500] = again
            done += len(page) - len(again)
            confirmed(done)
            if len(again) == len(page):
                await asyncio.sleep(0.05)


class Received:
    """The messages that a consumer has accepted, each once, in the order of their first delivery."""

    def __init__(self) -> None:
        self.deliveries = 0
        self._messages: dict[str, WireMessage] = {}

    @property
    def messages(self) -> list[WireMessage]:
        """Return it."""
        return list(self._messages.values())

    def add(self, messages: Iterable[WireMessage]) -> None:
        """Record messages; recognise redeliveries by their ids."""
        for each in messages:
            self.deliveries += 1
            self._messages.setdefault(each.id, each)

    async def all_of(self, messages: Sequence[WireMessage]) -> None:
        """Wait until all of these are there."""
        wanted = {each.id for each in messages}

        def missing() -> str:
            left = sorted(wanted - self._messages.keys())
            return f"{len(left)} messages are missing: {left[:10]} …"

        await until(lambda: self._messages.keys() >= wanted, missing)


@asynccontextmanager
async def receiving(transport: RabbitMQ, wanted: Feed, into: Received | None = None) -> AsyncIterator[Received]:
    """Receive a feed inside the block, as one process, and accept all of it."""
    received = into or Received()
    async with transport.consume(wanted) as consumer, asyncio.TaskGroup() as tasks:

        async def receive() -> None:
            while True:
                deliveries = await consumer.receive(limit=50)
                received.add(each.message for each in deliveries)
                await consumer.accept(deliveries)

        task = tasks.create_task(receive())
        yield received
        task.cancel()
