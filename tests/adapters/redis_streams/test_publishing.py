"""Publishing: nothing overtakes what is not known to have arrived, and a success is one for every stream."""

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
async def test_what_waits_behind_the_unknown_is_not_sent(what: str, server: PrivateServer) -> None:
    """A call that waits while another one publishes to its stream sends nothing when that one's outcome is unknown."""
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
    """It is unknown, and sent again, as long as any stream has not taken it; what follows it is not sent."""
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
    """Unless it is one message: a server is not kept from others, and a line not from an answer in time."""
    sizes = [400_000, 400_000, 400_000, 1_048_576, 10, *[1] * 600]
    batch = Batch([WireMessage(str(n), "t", "k", b"x" * size) for n, size in enumerate(sizes)], [])
    steps = [[sizes[place] for place in chunk] for chunk in batch.chunks(range(len(sizes)))]
    assert steps == [[400_000] * 2, [400_000], [1_048_576], [10, *[1] * 255], [1] * 256, [1] * 89]
