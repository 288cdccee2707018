"""Messages of programs that do not use Twofold, over every broker: each is recorded or parked, and delays no other one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import process_time
from typing import Any

import pytest

from tests.brokers import BROKERS, open_broker
from tests.domains.shops import Sold
from tests.servers.choice import runnable
from tests.transport.wire import sold
from twofold import Application
from twofold.ports import LARGEST_BODY, Feed, Transport, WireMessage
from twofold.testing.conformance import Connect
from twofold.testing.conformance._tools.in_time import until
from twofold.testing.conformance._tools.transport_opened import publish
from twofold_memory import InMemory

FEED = Feed(consumer="depot.shop", topics=("shop.sold", "twofold.progress.shop"))
MINUTE = 60.0
"""The maximum seconds of CPU time for a message that follows many hostile ones."""


def event(**attributes: Any) -> bytes:
    """Return a CloudEvent of the shop with other attributes."""
    return sold(1, **attributes).body


HOSTILE = {
    "empty": b"",
    "not JSON": b"{",
    "not UTF-8": b'{"specversion":"1.0","id":"\xff"}',
    "not an object": b"[1, 2]",
    "NUL": event(data={"order_id": "\0", "number": 1}),
    "an escaped NUL in the id": event(id="a\0"),
    "half a surrogate pair": event(data={"order_id": "\ud800", "number": 1}),
    "half a surrogate pair in the subject": event(subject="\udfff"),
    "deep": event(data="D").replace(b'"D"', b"[" * 100_000 + b"]" * 100_000),
    "deep objects": event(data="D").replace(b'"D"', b'{"a":' * 5_000 + b"1" + b"}" * 5_000),
    "a long number": event(data="D").replace(b'"D"', b'{"number":' + b"9" * 10_000 + b"}"),
    "infinity": event(data="D").replace(b'"D"', b'{"number":1e999}'),
    "another content type": event(datacontenttype="text/xml"),
    "a content type that is a list": event(datacontenttype=["application/json"]),
    "data twice": event(data_base64="e30="),
    "an id that is a number": event(id=7),
    "an id that is too long": event(id="x" * 5_000),
    "no time zone": event(time="2024-01-01T00:00:00"),
    "a year that is too late": event(time="9999-12-31T23:59:59Z"),
    "a version that is too large": event(schemaversion=2**31),
    "headers that are no JSON": event(twofoldheaders="{"),
    "another version of CloudEvents": event(specversion="0.3"),
}


@pytest.fixture(params=runnable(BROKERS, "messages of strangers"))
def kind(request: pytest.FixtureRequest) -> str:
    """Name the broker of a test."""
    return str(request.param)


@pytest.fixture
async def connect(kind: str, request: pytest.FixtureRequest) -> AsyncIterator[Connect]:
    """Give a function that connects to the broker."""
    async with open_broker(kind, request) as opened:
        yield opened


@asynccontextmanager
async def depot(connect: Connect) -> AsyncIterator[list[tuple[str, int]]]:
    """Run a depot that records the sales that it receives."""
    app, received = Application("depot", write=InMemory(), transport=await connect()), list[tuple[str, int]]()

    @app.event_handler(Sold, name="notes")
    async def note(event: Sold) -> None:
        received.append((event.order_id, event.number))

    app.consume(Sold, source="shop")
    async with app:
        yield received


async def parked(transport: Transport) -> list[str]:
    """Return the ids of the messages that the depot has parked."""
    return sorted(each.message.id for each in await transport.parked(FEED.consumer))


async def test_hostile_messages_are_parked(connect: Connect) -> None:
    """Each hostile message is parked once with its reason. The events after them are recorded."""
    transport = await connect()
    await transport.declare(FEED)
    for number, (name, body) in enumerate(HOSTILE.items(), 1):
        await publish(transport, WireMessage(name, "shop.sold", f"k{number}", body), sold(number, key=f"k{number}"))
    async with depot(connect) as received:
        await until(lambda: len(received) == len(HOSTILE), "every sale was to be received")

        async def all_are_parked() -> bool:
            return await parked(transport) == sorted(HOSTILE)

        await until(all_are_parked, "every hostile message was to be parked", pause=0.1)


async def test_parked_messages_that_fail_again_are_kept(connect: Connect) -> None:
    """After an operator has requeued all hostile messages, each is parked again once."""
    transport = await connect()
    await transport.declare(FEED)
    await publish(transport, *(WireMessage(f"m{number}", "shop.sold", f"k{number}", b"{}") for number in range(50)))
    async with depot(connect):
        names = sorted(f"m{number}" for number in range(50))

        async def all_are_parked() -> bool:
            return await parked(transport) == names and await transport.waiting(FEED) == 0

        await until(all_are_parked, "every message was to be parked", pause=0.1)
        assert await transport.unpark(FEED.consumer, names, again=True) == len(names)
        await until(all_are_parked, "every message was to be parked again", pause=0.1)


async def test_an_event_behind_many_hostile_messages(connect: Connect, kind: str, everywhere: bool) -> None:
    """An event behind 100,000 hostile messages of its partition costs a minute of CPU time. Each of these is parked."""
    transport, number = await connect(), 100_000 if everywhere else 3_000
    await transport.declare(FEED)
    one_key = (
        kind != "rabbitmq"
    )  # its feed has one partition for all keys, and messages of one key are confirmed one by one
    for start in range(0, number, 5_000):
        some = range(start, min(start + 5_000, number))
        keys = ("k" if one_key else f"k{each}" for each in some)
        hostile = (
            WireMessage(f"{each}", "shop.sold", key, b'{"hostile": 1}') for each, key in zip(some, keys, strict=True)
        )
        await publish(transport, *hostile)
    await publish(transport, sold(1, key="k"))
    async with depot(connect) as received:
        began = process_time()  # a minute on an idle machine, and more on a busy one
        await until(lambda: bool(received), "the sale was to be received", seconds=10 * MINUTE)
        assert process_time() - began < MINUTE

        async def all_are_parked() -> bool:
            return len(await transport.parked(FEED.consumer)) == number

        await until(all_are_parked, "every message was to be parked", pause=1)


async def test_a_message_of_the_largest_size(connect: Connect) -> None:
    """A body at the limit is recorded."""
    transport = await connect()
    await transport.declare(FEED)
    room = LARGEST_BODY - len(event(data={"order_id": "", "number": 1}))
    await publish(transport, sold(1, data={"order_id": "x" * room, "number": 1}), sold(2))
    async with depot(connect) as received:
        await until(lambda: len(received) == 2, "both sales were to be received")
