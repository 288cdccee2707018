"""Notifications over Redis when connections break or stall."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis as Client

import twofold_redis._notifier
from tests.servers.proxy import Link, Proxy
from twofold.errors import TransientFailure
from twofold.testing.conformance._tools.in_time import CEILING, in_time, until
from twofold_redis import RedisNotifier


class Counting(Proxy):
    """Counts the answers of the server."""

    answers = 0

    async def let_answer(self, link: Link, chunk: bytes) -> bool:
        """Pass it on."""
        self.answers += 1
        return await super().let_answer(link, chunk)


@pytest.fixture
async def network(redis_url: str) -> AsyncIterator[Counting]:
    """Give a way to the server that can be stalled and cut."""
    network = Counting(redis_url)
    async with network.running():
        yield network


async def test_a_connection_is_lost(client: Client, prefix: str, network: Proxy) -> None:
    """A listener whose connection breaks is informed, and can listen again."""
    async with Client.from_url(network.url) as lag:
        for _ in range(3):
            notify = asyncio.Event()
            watching = _watching(RedisNotifier(lag, prefix=prefix), notify)
            await notify.wait()
            notify.clear()
            await RedisNotifier(client, prefix=prefix).announce("a", "x")
            await notify.wait()
            network.cut()
            with pytest.raises(TransientFailure, match="cannot receive notifications"):
                await watching


async def test_a_silent_connection_is_closed(prefix: str, network: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that drops messages is detected. An idle network is not mistaken for one."""
    monkeypatch.setattr(twofold_redis._notifier, "_SILENCE", 0.05)
    monkeypatch.setattr(twofold_redis._notifier, "_TIMEOUT", CEILING)
    notify = asyncio.Event()
    async with Client.from_url(network.url) as lag:
        watching = _watching(RedisNotifier(lag, prefix=prefix), notify)
        await notify.wait()
        said = network.answers
        await until(lambda: network.answers > said + 5, "the server was to be asked again and again")
        assert not watching.done()
        monkeypatch.setattr(twofold_redis._notifier, "_TIMEOUT", 0.1)
        network.stall()
        with in_time(), pytest.raises(TransientFailure, match="did not answer within"):
            await watching


async def test_a_server_that_is_away(prefix: str) -> None:
    """With an unreachable server, announcing and listening neither hang nor raise an error of the driver."""
    async with Client.from_url("redis://127.0.0.1:1") as client:
        notifier = RedisNotifier(client, prefix=prefix)
        with pytest.raises(TransientFailure, match="cannot announce events"):
            await notifier.announce("a", "x")
        with pytest.raises(TransientFailure, match="cannot receive notifications"):
            await notifier.watch("a", lambda origin: None)


def _watching(notifier: RedisNotifier, notify: asyncio.Event) -> asyncio.Task[None]:
    """Listen to a log in a task that sets an event at each notification."""
    return asyncio.create_task(notifier.watch("a", lambda origin: notify.set()))
