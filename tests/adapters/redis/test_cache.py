"""Promises of the Redis cache only: on a cluster, under load, and beside keys of other programs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
from redis.asyncio import Redis as Client

import twofold_redis._cache.cache
from tests.servers.process import PrivateServer
from twofold.errors import TransientFailure
from twofold.ports import Cached, CacheKey, CacheLease, Position
from twofold.testing.conformance._brokers.cache import answer, keep, key, lease_of
from twofold.testing.conformance._tools.in_time import CEILING
from twofold_redis import RedisCache


class Distant(Client):
    """A client that is far from its server."""

    latency = 0.0

    async def execute_command(self, *arguments: Any, **options: Any) -> Any:
        """Send a command, and wait."""
        await asyncio.sleep(self.latency)
        sent: Any = super().execute_command
        return await sent(*arguments, **options)


def distant(url: str) -> Distant:
    """Return a client whose latency is set later."""
    return cast(Distant, Distant.from_url(url))


async def test_waiting_for_a_turn_is_not_being_late(redis_url: str, prefix: str) -> None:
    """Hundreds of concurrent calls may take longer than the timeout of one call, and none fails."""
    async with distant(redis_url) as client:
        cache = RedisCache(client, prefix=prefix, timeout=3.0)
        await asyncio.gather(*(cache.lookup(key("k")) for _ in range(50)))
        client.latency, began = 0.2, asyncio.get_running_loop().time()
        await asyncio.gather(*(cache.lookup(key("k")) for _ in range(900)))
        assert asyncio.get_running_loop().time() - began > 3.0
        await client.unlink(*[name async for name in client.scan_iter(f"{prefix}:*")])


async def test_a_blocked_event_loop_is_not_a_late_redis(
    redis_url: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A blocked event loop is not counted as a late answer of Redis."""
    loop, ahead = asyncio.get_running_loop(), 0.0
    by_the_clock = loop.time
    monkeypatch.setattr(loop, "time", lambda: by_the_clock() + ahead)
    async with distant(redis_url) as client:
        cache = RedisCache(client, prefix=prefix, timeout=CEILING)
        await cache.lookup(key("k"))
        client.latency = 0.05
        looking = asyncio.create_task(cache.lookup(key("k")))
        for _ in range(5):
            await asyncio.sleep(0)
        ahead = 1.5 * CEILING
        assert isinstance(await looking, CacheLease)
        await client.unlink(*[name async for name in client.scan_iter(f"{prefix}:*")])


async def test_a_redis_that_hangs_costs_the_time_of_one_call(server: PrivateServer) -> None:
    """However many wait for their turn: when one is late, they fail with it. So do fills and invalidations."""
    async with Counting.from_url(server.url) as client:
        cache, sent = RedisCache(client, timeout=0.2), cast(Counting, client).sent
        patient = RedisCache(client, timeout=CEILING)
        lease, *_ = await asyncio.gather(*(lease_of(patient) for _ in range(50)))
        with server.paused():
            sent.clear()
            found = await asyncio.gather(*(cache.lookup(key("k")) for _ in range(1000)), return_exceptions=True)
            assert all(isinstance(each, TransientFailure) for each in found)
            assert len(sent) <= 50
            with pytest.raises(TransientFailure, match="did not answer in time"):
                await cache.fill(lease, answer("late"), seconds=60)
            with pytest.raises(TransientFailure, match="did not answer in time"):
                await cache.invalidate([key("k")])


class Counting(Client):
    """A client that records its commands."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.sent: list[str] = []

    async def execute_command(self, *arguments: Any, **options: Any) -> Any:
        """Send a command."""
        self.sent.append(arguments[0])
        sent: Any = super().execute_command
        return await sent(*arguments, **options)


async def test_a_hit_is_one_call(redis_url: str, client: Client, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An MGET, or, once in a tenth of a second, the script that asks which run of the server it is."""
    async with Counting.from_url(redis_url) as counting:
        cache, sent = RedisCache(counting, prefix=prefix, timeout=CEILING), cast(Counting, counting).sent
        for sure, calls in ((1e-9, ["EVALSHA"] * 3), (3600.0, ["EVALSHA", "MGET", "MGET"])):
            monkeypatch.setattr(twofold_redis._cache.cache, "SURE", 1e-9)
            await keep(cache, answer("kept"), f"{sure}")
            monkeypatch.setattr(twofold_redis._cache.cache, "SURE", sure)
            sent.clear()
            for _ in range(3):
                assert await cache.lookup(key(f"{sure}")) == answer("kept")
            assert sent == calls


async def test_nothing_stays_for_ever(client: Client, prefix: str) -> None:
    """Marks and answers end by themselves, and a mark not before its answers."""
    cache = RedisCache(client, prefix=prefix, timeout=CEILING)
    await lease_of(cache, "left")
    await keep(cache, answer("kept"), "kept", seconds=600)
    names = [name async for name in client.scan_iter(f"{prefix}:*")]
    left = {name.decode().partition("{")[2]: await client.pttl(name) for name in names}
    assert sorted(left) == ["q kept}:answer", "q kept}:mark", "q left}:mark"]
    assert 0 < left["q left}:mark"] <= 60_000
    assert all(500_000 < left[f"q kept}}:{each}"] <= 600_000 for each in ("answer", "mark"))


@pytest.mark.parametrize(
    "garbage", [b"garbage", b"", b"%s x log\n{}", b"%s 1 log\n\xff\xfe", b"%s 1 log", b"other 1 log\n{}"]
)
async def test_values_of_other_programs_are_misses(client: Client, prefix: str, garbage: bytes) -> None:
    """It is replaced by the next answer."""
    cache = RedisCache(client, prefix=prefix, timeout=CEILING)
    lease = await lease_of(cache)
    mark = lease.mark.encode()
    await client.set(f"{prefix}:cache:{{q k}}:answer", garbage.replace(b"%s", mark))
    await keep(cache, answer("mine", 0))
    assert await cache.lookup(key("k")) == answer("mine", 0)


@pytest.mark.parametrize("options", [{"decode_responses": True}, {"encoding": "latin-1"}, {"protocol": 3}])
async def test_any_client_will_do(redis_url: str, prefix: str, client: Client, options: dict[str, Any]) -> None:
    """The cache works with clients that decode responses or use another encoding."""
    async with Client.from_url(redis_url, **options) as other:
        cache = RedisCache(other, prefix=prefix, timeout=CEILING)
        kept = Cached('"ü€"', Position(1), "l")
        lease = await cache.lookup(CacheKey("q", "é€"), "ö")
        assert isinstance(lease, CacheLease)
        assert await cache.fill(lease, kept, seconds=60)
        assert await RedisCache(client, prefix=prefix, timeout=CEILING).lookup(CacheKey("q", "é€"), "ö") == kept
        await cache.invalidate_queries(["q"])
        assert isinstance(await cache.lookup(CacheKey("q", "é€"), "ö"), CacheLease)


async def test_invalidated_names_are_not_patterns(client: Client, new_prefix: Callable[[], str]) -> None:
    """Special characters of Redis patterns in the name of a query are matched literally."""
    prefix = new_prefix()
    mine, other = (
        RedisCache(client, prefix=f"{prefix}a", timeout=CEILING),
        RedisCache(client, prefix=f"{prefix}axx", timeout=CEILING),
    )
    for cache in (mine, other):
        for query in ("q", "q*"):
            lease = await cache.lookup(CacheKey(query, "k"))
            assert isinstance(lease, CacheLease)
            assert await cache.fill(lease, answer(query), seconds=60)
    await mine.invalidate_queries(["q*"])
    assert isinstance(await mine.lookup(CacheKey("q*", "k")), CacheLease)
    assert await mine.lookup(CacheKey("q", "k")) == answer("q")
    assert await other.lookup(CacheKey("q*", "k")) == answer("q*")
    async for name in client.scan_iter(f"{prefix}*"):
        await client.unlink(name)


async def test_answers_of_an_earlier_run_are_not_returned(client: Client, prefix: str) -> None:
    """A mark from a snapshot may have been invalidated since: no answer is returned, and no lease is valid."""
    cache = RedisCache(client, prefix=prefix, timeout=CEILING)
    lease = await lease_of(cache)
    run, _, unique = lease.mark.partition(":")
    assert run == (await client.info("server"))["run_id"]
    earlier = CacheLease(lease.key, None, f"{'0' * 40}:{unique}")
    await client.set(f"{prefix}:cache:{{q k}}:mark", earlier.mark)
    await client.set(f"{prefix}:cache:{{q k}}:answer", f'{earlier.mark} 1 log\n"old"')
    assert not await cache.fill(earlier, answer("old"), seconds=60)
    await keep(cache, answer("new"))
