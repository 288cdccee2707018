"""Notifications over Redis: what happens to them when connections are lost, and when they say nothing any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis as Client

import twofold_redis._notifier
from tests.servers.network import Network
from twofold.errors import TransientFailure
from twofold_redis import RedisNotifier


@pytest.fixture
async def network(redis_url: str) -> AsyncIterator[Network]:
    """Give a way to the server that can be stalled and cut."""
    network = Network(redis_url)
    async with network.running():
        yield network


async def test_a_connection_is_lost(client: Client, prefix: str, network: Network) -> None:
    """Whoever listens is told, and may listen again."""
    async with Client.from_url(network.url) as lag:
        for _ in range(3):
            heard = asyncio.Event()
            watching = asyncio.create_task(RedisNotifier(lag, prefix=prefix).watch("a", heard.set))
            await heard.wait()
            heard.clear()
            await RedisNotifier(client, prefix=prefix).announce("a")
            await heard.wait()
            network.cut()
            with pytest.raises(TransientFailure, match="cannot receive notifications"):
                await watching


async def test_a_connection_that_says_nothing_is_given_up(
    prefix: str, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that passes nothing on is noticed; one on which nothing happens is not mistaken for that."""
    monkeypatch.setattr(twofold_redis._notifier, "_SILENCE", 0.05)
    monkeypatch.setattr(twofold_redis._notifier, "_TIMEOUT", 0.5)
    heard = asyncio.Event()
    async with Client.from_url(network.url) as lag:
        watching = asyncio.create_task(RedisNotifier(lag, prefix=prefix).watch("a", heard.set))
        await heard.wait()
        done, _ = await asyncio.wait([watching], timeout=0.5)
        assert not done
        network.stall()
        with pytest.raises(TransientFailure, match="did not answer within"):
            async with asyncio.timeout(5):
                await watching


async def test_a_server_that_is_away(prefix: str) -> None:
    """Neither announcing nor listening hangs, or raises an error of the driver."""
    async with Client.from_url("redis://127.0.0.1:1") as client:
        notifier = RedisNotifier(client, prefix=prefix)
        with pytest.raises(TransientFailure, match="cannot announce events"):
            await notifier.announce("a")
        with pytest.raises(TransientFailure, match="cannot receive notifications"):
            await notifier.watch("a", lambda: None)
