"""Receiving from several streams, which are independent of each other."""

from __future__ import annotations

import asyncio
import logging

import anyio
import pytest
from redis.asyncio import Redis

from tests.adapters.redis_streams.lab import FEED, expect_answers_within, messages, publish, streams
from tests.servers.process import PrivateServer
from tests.servers.proxy import Proxy
from twofold.errors import TransientFailure
from twofold.ports import Delivery, Feed, WireMessage, partition_of
from twofold.testing.conformance._tools.in_time import CEILING, in_time, until
from twofold_redis._streams.consumer import StreamConsumer

KEYS = [next(key for key in map(str, range(99)) if partition_of(key, 2) == part) for part in range(2)]
"""A key of each of two streams."""


def to(part: int, *names: str) -> list[WireMessage]:
    """Return messages for one of two streams."""
    return [WireMessage(name, "shop.placed", KEYS[part], b"{}") for name in names]


async def received(consumer: StreamConsumer, number: int) -> list[str]:
    """Receive and accept this number of messages."""
    found: list[Delivery] = []
    with in_time():
        while len(found) < number:
            some = await consumer.receive()
            await consumer.accept(some)
            found += some
    return [each.message.id for each in found]


async def test_a_stream_that_cannot_be_read(
    server: PrivateServer, client: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """While a stream is unreadable, the others are received.

    The failure is logged once, and reported while it lasts.
    """
    async with streams(server.url, partitions=2) as transport, transport.consume(FEED) as consumer:
        await publish(transport, to(0, "before") + to(1, "before, too"))
        await received(consumer, 2)
        await client.rename("{twofold:1}:feeds", "{twofold:1}:aside")
        await client.set("{twofold:1}:feeds", "somebody else's")
        await publish(transport, to(0, *"abc") + to(1, *"xyz"))
        assert await received(consumer, 3) == ["a", "b", "c"]
        receiving = asyncio.ensure_future(consumer.receive())
        await until(lambda: "stream 1" in str(consumer.problem), "it was to say what it cannot read")
        receiving.cancel()
        await asyncio.wait([receiving])
        await client.delete("{twofold:1}:feeds")
        await client.rename("{twofold:1}:aside", "{twofold:1}:feeds")
        await publish(transport, to(0, "d"))
        assert set(await received(consumer, 4)) == {"d", "x", "y", "z"}
        await until(lambda: consumer.problem is None, "the problem was to be over")
        assert await transport.waiting(FEED) == 0
    assert len([each for each in caplog.records if "continues with its other streams" in each.getMessage()]) == 1


async def test_read_entries_survive_a_failure_to_create_a_group_again(
    server: PrivateServer, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a failure nor a cancellation while a stream is repaired loses entries that were read from another stream."""
    async with streams(server.url, partitions=2) as transport, transport.consume(FEED) as consumer:
        await publish(transport, to(0, "0") + to(1, "0, too"))
        await received(consumer, 2)
        declare, failures = consumer._declare, ["fails", "is cancelled"]

        async def failing() -> None:
            if failures and failures.pop(0) == "fails":
                raise TransientFailure("Redis is away")
            if failures:
                await asyncio.Event().wait()
            await declare()

        monkeypatch.setattr(consumer, "_declare", failing)
        for number in range(1, 6):
            await client.xgroup_destroy("{twofold:1}:stream", "mail")
            await publish(transport, to(0, str(number)))
            found: list[str] = []
            while str(number) not in found:
                with anyio.move_on_after(0.3):
                    found += await received(consumer, 1)
            assert [each for each in found if "too" not in each] == [str(number)]
        assert not failures


async def test_a_line_that_is_too_slow(server: PrivateServer, caplog: pytest.LogCaptureFixture) -> None:
    """After a timeout the consumer requests as little as possible. Otherwise it would repeat the same request forever."""
    network = Proxy(server.url)
    async with (
        network.running(),
        streams(server.url) as transport,
        streams(network.url) as lag,
        lag.consume(FEED) as consumer,
    ):
        await publish(transport, messages(1))
        await received(consumer, 1)
        receiving = asyncio.create_task(consumer.receive(limit=400))
        network.stall()
        expect_answers_within(lag, 0.3)
        await publish(transport, messages(400))
        await until(lambda: consumer._slow, "the look was to end without an answer")
        expect_answers_within(lag, CEILING)
        network.resume()
        with in_time():
            assert len(await receiving) == 1
            assert len(await consumer.receive(limit=400)) > 1
    assert len([each for each in caplog.records if "cannot receive and retries" in each.getMessage()]) == 1


async def test_no_more_are_open_than_the_window_has(server: PrivateServer) -> None:
    """The number of open messages never exceeds the window."""
    async with streams(server.url, window=10) as transport, transport.consume(FEED) as consumer:
        await publish(transport, messages(200))
        found: list[Delivery] = []
        with in_time():
            while len(found) < 10:
                found += await consumer.receive()
            assert len(found) == 10
            for _ in range(20):
                await consumer.accept([found.pop(0)])
                found += await consumer.receive()
                assert len(found) == 10


async def test_topics_of_another_release_are_kept_while_it_runs(server: PrivateServer, client: Redis) -> None:
    """Topics of a running process are published and received, even if a newer process declares fewer."""
    newer = Feed(consumer=FEED.consumer, topics=("shop.paid",))
    async with streams(server.url) as transport:
        async with transport.consume(FEED) as consumer:
            await publish(transport, messages(1))
            await received(consumer, 1)
            await transport.declare(newer)
            await publish(transport, [*messages(1), WireMessage("paid", "shop.paid", "k0", b"{}")])
            assert await received(consumer, 2) == ["0", "paid"]
        await transport.declare(newer)
        assert await client.hget("{twofold:0}:feeds", "mail") == b"shop.paid"


@pytest.fixture(autouse=True)
def said(caplog: pytest.LogCaptureFixture) -> None:
    """Record warnings."""
    caplog.set_level(logging.WARNING, "twofold.redis")
