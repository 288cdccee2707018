"""Publishing: no message overtakes an unconfirmed one, and a confirmed message is in every stream."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio import Redis

from tests.adapters.redis_streams.lab import FEED, expect_answers_within, messages, publish, streams
from tests.servers.process import PrivateServer
from tests.servers.proxy import Proxy
from twofold.ports import Outcome, WireMessage
from twofold.testing.conformance._tools.in_time import CEILING, until
from twofold_redis._streams.batch import Batch


@pytest.mark.parametrize("what", ["is cancelled", "is not answered"])
async def test_messages_behind_an_unknown_outcome_are_not_sent(what: str, server: PrivateServer) -> None:
    """A call that waits for another call on the same stream sends nothing if the outcome of that call is unknown."""
    network = Proxy(server.url)
    async with network.running(), streams(network.url, partitions=1) as transport:
        await transport.declare(FEED)
        publisher = transport.publisher
        network.stall()
        expect_answers_within(transport, CEILING if what == "is cancelled" else 1.0)
        first = asyncio.create_task(publisher.publish(messages(1)))

        await until(publisher._locks[0].locked, "it was to be sent")
        second = asyncio.create_task(publisher.publish(messages(1, start=1)))
        if what == "is cancelled":
            await until(lambda: bool(publisher._locks[0]._waiters), "the second was to wait for its turn")
            first.cancel()
        else:
            assert await first == [Outcome.UNKNOWN]
        assert await second == [Outcome.UNSENT]
        expect_answers_within(transport, CEILING)
        network.resume()
        await publish(transport, messages(2, start=2))


async def test_a_message_for_all_that_one_stream_refuses(server: PrivateServer, client: Redis) -> None:
    """A message for all streams is unknown, and sent again, until every stream has it. Later messages are not sent."""
    async with streams(server.url, partitions=3) as transport:
        await transport.declare(FEED)
        await client.rename("{twofold:1}:topics", "{twofold:1}:aside")
        await client.set("{twofold:1}:topics", "somebody else's")
        everyone = WireMessage("all", "shop.placed", None, b"{}")
        outcomes = await transport.publisher.publish([everyone, everyone._replace(id="more")])
        assert outcomes == [Outcome.UNKNOWN, Outcome.UNSENT]
        await client.rename("{twofold:1}:aside", "{twofold:1}:topics")
        assert await transport.publisher.publish([everyone]) == [Outcome.CONFIRMED]


def test_a_step_has_a_megabyte_at_most() -> None:
    """A script adds at most a megabyte, or one larger message. So other clients and answers are not delayed."""
    sizes = [400_000, 400_000, 400_000, 1_048_576, 10, *[1] * 600]
    batch = Batch([WireMessage(str(n), "t", "k", b"x" * size) for n, size in enumerate(sizes)], [])
    steps = [[sizes[place] for place in chunk] for chunk in batch.chunks(range(len(sizes)))]
    assert steps == [[400_000] * 2, [400_000], [1_048_576], [10, *[1] * 255], [1] * 256, [1] * 89]
