"""Every entry is handled, although processes are killed, paused or cancelled at any point."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Awaitable
from typing import cast

import anyio
import pytest
from redis.asyncio import Redis

from tests.adapters.redis_streams.lab import FEED, HANDLED, Reader, Worker, in_order, messages, publish, streams
from tests.servers.process import PrivateServer
from twofold.ports import Delivery
from twofold.testing.conformance._tools.in_time import in_time, until
from twofold_redis._streams.leases import PartitionLeases

LEASE = 3.0
ROUNDS = 9
"""Seconds of a lease, and a number of rounds that takes longer: a lease has at most six rounds."""


async def handled(client: Redis) -> list[str]:
    """Return the messages that the workers have handled."""
    found = await cast(Awaitable[list[bytes]], client.lrange(HANDLED, 0, -1))
    return [each.decode() for each in found]


async def test_killed_in_the_handler(server: PrivateServer, client: Redis) -> None:
    """After a process was killed in its handler, the next one takes over its open messages. No message is missing."""
    sent = messages(300)
    async with streams(server.url) as transport:
        await transport.declare(FEED)
        await publish(transport, sent)
        for count in (60, 140, 220):
            worker = Worker(server, seconds=0.002)
            try:

                async def enough(count: int = count) -> bool:
                    return len(await handled(client)) >= count

                await until(enough, f"{count} messages were to be handled")
            finally:
                worker.kill()
        worker = Worker(server)
        try:

            async def everything() -> bool:
                return len(set(await handled(client))) == len(sent) and await transport.waiting(FEED) == 0

            await until(everything, "every message was to be handled and settled")
        finally:
            worker.kill()
        assert in_order(list(dict.fromkeys(await handled(client))))


async def test_a_paused_process_is_replaced(server: PrivateServer, client: Redis) -> None:
    """Another process takes over after the lease has expired.

    Late acceptances of the paused process affect no message of other processes.
    """
    sent = messages(200)
    async with streams(server.url) as transport:
        await transport.declare(FEED)
        await publish(transport, sent)
        sleeper = Worker(server, seconds=0.005)
        try:

            async def begun() -> bool:
                return len(await handled(client)) > 20

            await until(begun, "the first process was to begin")
            sleeper.send(signal.SIGSTOP)
            reader = Reader()
            async with transport.consume(FEED) as consumer:
                already = {*await handled(client)}
                reader.seen = set(already)
                await reader.take(consumer, len(sent))
                sleeper.send(signal.SIGCONT)
                more = messages(50, start=200)
                await publish(transport, more)

                async def everything() -> bool:
                    with anyio.move_on_after(0.2):
                        await reader.take(consumer, 10_000)
                    return {*reader.seen, *await handled(client)} >= {each.id for each in (*sent, *more)}

                await until(everything, "every message was to be handled by one or the other")
        finally:
            sleeper.kill()


async def test_a_slow_handler_does_not_lose_its_lease(server: PrivateServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler that takes longer than a lease keeps its messages, because the lease is renewed."""
    sent, rounds = messages(20), Counter[str]()
    take_round = PartitionLeases.round

    async def count(leases: PartitionLeases) -> None:
        await take_round(leases)
        rounds[leases._member] += 1

    monkeypatch.setattr(PartitionLeases, "round", count)
    async with streams(server.url, idle=LEASE) as one, streams(server.url, idle=LEASE) as two:
        await one.declare(FEED)
        await publish(one, sent)
        async with one.consume(FEED) as slow:
            deliveries = list(await slow.receive())
            while len(deliveries) < 20:
                deliveries += await slow.receive()
            async with two.consume(FEED) as other:
                robbing = asyncio.ensure_future(other.receive())
                before = min(rounds.values())
                await until(
                    lambda: len(rounds) == 2 and min(rounds.values()) > before + ROUNDS,
                    "the leases were to be renewed, and claimed by the other one, again and again",
                )
                assert not robbing.done(), "messages were given to another process"
                robbing.cancel()
                await asyncio.wait([robbing])
                await slow.accept(deliveries)
        assert await one.waiting(FEED) == 0


async def test_nothing_is_settled_past_a_lease(server: PrivateServer, client: Redis) -> None:
    """Accepting or parking does nothing while another process holds the streams; the messages are delivered again."""
    sent = messages(20)
    async with streams(server.url, idle=5.0) as transport:
        await transport.declare(FEED)
        await publish(transport, sent)
        async with transport.consume(FEED) as consumer:
            deliveries = list(await consumer.receive())
            while len(deliveries) < 20:
                deliveries += await consumer.receive()
            leases = [f"{{twofold:{part}}}:lease:mail" for part in range(8)]
            for lease in leases:
                await client.hset(lease, "owner", "another process")
            await consumer.park(deliveries[0], "late")
            await consumer.accept(deliveries[1:])
            assert await transport.waiting(FEED) == 20
            assert await transport.parked("mail") == []
            await client.delete(*leases)
            reader = Reader()
            await reader.take(consumer, 20)
            assert in_order(reader.found)
        assert await transport.waiting(FEED) == 0


async def test_cancelled_in_the_read_and_in_the_accept(server: PrivateServer) -> None:
    """However often calls are cancelled, every message is handled, in order, and in the end all are settled."""
    sent = messages(400)
    reader, patience = Reader(), 0.0
    async with streams(server.url) as transport:
        async with transport.consume(FEED) as consumer:
            await publish(transport, sent)
            with in_time():
                while len(reader.seen) < len(sent):
                    patience = (patience + 0.00037) % 0.004
                    deliveries: list[Delivery] = []
                    with anyio.move_on_after(patience):
                        deliveries += await consumer.receive(limit=20)
                    for each in deliveries:
                        if each.message.id not in reader.seen:
                            reader.seen.add(each.message.id)
                            reader.found.append(each.message.id)
                    with anyio.move_on_after(patience / 3):
                        await consumer.accept(deliveries)
        assert in_order(reader.found)
        async with transport.consume(FEED) as consumer:
            with in_time():
                while await transport.waiting(FEED):
                    await consumer.accept(await consumer.receive())
