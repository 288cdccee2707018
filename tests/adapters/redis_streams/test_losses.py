"""A server that restarts or loses data: consumers recover automatically and report the loss."""

from __future__ import annotations

import asyncio
import logging

import anyio
import pytest
from redis.asyncio import Redis

from tests.adapters.redis_streams.lab import FEED, Reader, in_order, messages, publish, streams
from tests.servers.process import PrivateServer
from twofold.ports import Outcome, WireMessage
from twofold.testing.conformance._tools.in_time import until
from twofold_redis._streams.leases import PartitionLeases

TRIMMED = 2
"""The number of trims after which a test is satisfied."""


async def test_restarted_twice(server: PrivateServer) -> None:
    """Restarted at a third and at half of ten thousand messages, the server has lost none, and all arrive in order."""
    sent = messages(10_000)
    reader = Reader()
    async with (
        streams(server.url) as transport,
        transport.consume(FEED) as consumer,
        anyio.create_task_group() as tasks,
    ):

        async def publishing() -> None:
            for start in range(0, len(sent), 250):
                await publish(transport, sent[start : start + 250])

                async def close_behind(start: int = start) -> bool:
                    return len(reader.seen) > start - 500

                await until(close_behind, "the reader was to keep up")

        tasks.start_soon(publishing)
        for share in (len(sent) // 3, len(sent) // 2):
            await reader.take(consumer, share)
            await anyio.to_thread.run_sync(server.stop)
            await anyio.to_thread.run_sync(server.start)
        await reader.take(consumer, len(sent))
    assert in_order(reader.found)


async def test_after_a_restart_earlier_messages_come_first(server: PrivateServer) -> None:
    """A server that may have lost messages refuses later ones of the same publisher, until it resumes."""
    mark = WireMessage("mark", "shop.placed", None, b'{"at": 7}')
    marked = [each._replace(mark="shop.placed") for each in messages(20)]
    async with streams(server.url) as transport:
        await transport.declare(FEED)
        publisher = transport.publisher
        assert set(await publisher.publish([mark, *marked])) == {Outcome.CONFIRMED}
        await anyio.to_thread.run_sync(server.stop)
        await anyio.to_thread.run_sync(server.start)
        await publish(transport, messages(20))
        assert set(await publisher.publish([mark])) == {Outcome.BEHIND}
        assert set(await publisher.publish(marked)) == {Outcome.BEHIND}
        assert list(await publisher.kept("shop.placed")) == [mark.body] * 8
        await publisher.resume("shop.placed")
        assert set(await publisher.publish([mark, *marked])) == {Outcome.CONFIRMED}
        assert await transport.waiting(FEED) == 2 * 8 + 3 * 20


async def test_after_a_restart_only_messages_with_that_mark_are_refused(server: PrivateServer) -> None:
    """Messages of other publishers in the same call, with another mark or without one, are confirmed."""
    marks = [None, "shop.placed", "shop.placed", "shop.billed", None, "shop.placed"]
    sent = [each._replace(mark=mark) for each, mark in zip(messages(6), marks, strict=True)]
    async with streams(server.url, partitions=1) as transport:
        await transport.declare(FEED)
        await publish(transport, [WireMessage("mark", "shop.placed", None, b"{}")])
        await anyio.to_thread.run_sync(server.stop)
        await anyio.to_thread.run_sync(server.start)
        await publish(transport, messages(1, start=6))
        refused = [outcome is Outcome.BEHIND for outcome in await transport.publisher.publish(sent)]
        assert refused == [mark == "shop.placed" for mark in marks]
        assert await transport.waiting(FEED) == 1 + 1 + 3


async def test_all_streams_and_groups_are_lost(
    server: PrivateServer, client: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """After FLUSHALL the groups are created again with a warning. Messages that are published afterwards arrive."""
    reader = Reader()
    async with (
        streams(server.url) as transport,
        transport.consume(FEED) as consumer,
        anyio.create_task_group() as tasks,
    ):
        await publish(transport, messages(100))
        await reader.take(consumer, 100)
        await client.flushall()
        tasks.start_soon(publish, transport, messages(100, start=100))
        await reader.take(consumer, 200)
    _warned(caplog)


@pytest.mark.parametrize("what", ["stream", "group"])
async def test_one_stream_or_group_is_lost(
    what: str, server: PrivateServer, client: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """A deleted stream or group is created again from the beginning of the stream. No new message is missed."""
    reader = Reader()
    async with streams(server.url) as transport, transport.consume(FEED) as consumer:
        await publish(transport, messages(100))
        await reader.take(consumer, 100)
        for part in range(8):
            key = f"{{twofold:{part}}}:stream"
            await (client.delete(key) if what == "stream" else client.xgroup_destroy(key, "mail"))
        await publish(transport, messages(100, start=100))
        await reader.take(consumer, 200)
    _warned(caplog)


async def test_a_loss_while_no_process_receives(
    server: PrivateServer, client: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """A group that is destroyed while its consumer is stopped is found missing, and gets all that the stream has."""
    reader = Reader()
    async with streams(server.url) as transport:
        await transport.declare(FEED)
        for part in range(8):
            await client.xgroup_destroy(f"{{twofold:{part}}}:stream", "mail")
        await publish(transport, messages(100))
        async with transport.consume(FEED) as consumer:
            await reader.take(consumer, 100)
    _warned(caplog)


@pytest.fixture
def trims(monkeypatch: pytest.MonkeyPatch) -> list[PartitionLeases]:
    """Record each trim of the streams, and the leases of the process that did it."""
    noted: list[PartitionLeases] = []
    trim = PartitionLeases._trim

    async def note(leases: PartitionLeases) -> None:
        await trim(leases)
        noted.append(leases)

    monkeypatch.setattr(PartitionLeases, "_trim", note)
    return noted


async def test_nothing_is_trimmed_while_a_group_is_missing(
    server: PrivateServer, client: Redis, trims: list[PartitionLeases]
) -> None:
    """Messages of a stopped consumer whose group was lost are still in the stream when the consumer returns."""
    sent = messages(3_000)
    stopped = type(FEED)(consumer="stopped", topics=FEED.topics)
    async with streams(server.url, idle=0.5) as transport:
        await transport.declare(stopped)
        for part in range(8):
            await client.xgroup_destroy(f"{{twofold:{part}}}:stream", "stopped")
        reader = Reader()
        async with transport.consume(FEED) as consumer:
            await publish(transport, sent)
            await reader.take(consumer, len(sent))
            trims.clear()
            await until(lambda: len(trims) > TRIMMED, "it was to trim what it can")
        late = Reader()
        async with transport.consume(stopped) as consumer:
            await late.take(consumer, len(sent))


async def test_a_stopped_group_loses_nothing(
    server: PrivateServer, client: Redis, trims: list[PartitionLeases]
) -> None:
    """Trimming deletes no message that a stopped group needs, even if another group has settled it."""
    sent = messages(6_000)
    stopped = type(FEED)(consumer="stopped", topics=FEED.topics)
    async with streams(server.url, idle=0.5) as transport:
        await transport.declare(stopped)
        reader = Reader()
        async with transport.consume(FEED) as consumer:
            for start in range(0, len(sent), 1_000):
                await publish(transport, sent[start : start + 1_000])
                await reader.take(consumer, start + 1_000)
            trims.clear()
            await until(lambda: len(trims) > TRIMMED, "it was to trim what it can")
        late = Reader()
        async with transport.consume(stopped) as consumer:
            await late.take(consumer, len(sent))
            assert in_order(late.found)

            async def trimmed() -> bool:
                kept = [await client.xlen(f"{{twofold:{part}}}:stream") for part in range(8)]
                return sum(kept) < 8 * 110  # Redis removes whole blocks of a hundred

            await until(trimmed, "what nobody needs any more was to be removed")


async def test_a_paused_server_is_no_success(server: PrivateServer, client: Redis) -> None:
    """Messages to a paused server are reported as unknown, and those that wait for them as unsent.

    Later everything works.
    """
    reader = Reader()
    async with streams(server.url, timeout=0.5) as transport, transport.consume(FEED) as consumer:
        with server.paused():
            outcomes = await transport.publisher.publish(messages(50))
        assert set(outcomes) == {Outcome.UNKNOWN}
        await publish(transport, messages(50))
        await reader.take(consumer, 50)
        assert in_order(reader.found)


async def test_a_problem_is_reported_while_it_lasts(server: PrivateServer, client: Redis) -> None:
    """The consumer has a problem while Redis does not answer, and none afterwards."""
    async with streams(server.url, timeout=0.5) as transport, transport.consume(FEED) as consumer:
        receiving = asyncio.create_task(consumer.receive())
        assert consumer.problem is None
        with server.paused():
            await until(lambda: consumer.problem is not None, "it was to say that it is cut off")
        assert "Redis is busy or does not answer" in str(consumer.problem)
        await until(lambda: consumer.problem is None, "it was to receive again")
        await publish(transport, messages(1))
        assert len(await receiving) == 1


async def test_a_full_server_is_no_success(server: PrivateServer, client: Redis) -> None:
    """Messages that a server without free memory refuses are not confirmed, and can be sent again."""
    async with streams(server.url) as transport:
        await transport.declare(FEED)
        await client.config_set("maxmemory", "1mb")
        try:
            assert set(await transport.publisher.publish(messages(20))) == {Outcome.UNKNOWN}
        finally:
            await client.config_set("maxmemory", "0")
        await publish(transport, messages(20))
        assert await transport.waiting(FEED) == 20


def _warned(caplog: pytest.LogCaptureFixture) -> None:
    found = [each for each in caplog.records if each.name == "twofold.redis" and each.levelno >= logging.WARNING]
    assert any("was lost" in each.getMessage() for each in found)
