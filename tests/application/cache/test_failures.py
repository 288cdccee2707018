"""A cache that fails never fails a query."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import anyio
import pytest
from redis.asyncio import Redis as Client

from tests.domains.cached_bank import GetCached, Loads, balance, bank
from tests.servers.process import PrivateServer
from tests.servers.redis import Redis as RedisServer
from twofold import Application, Cache, CacheStats, Query
from twofold._caching import answers
from twofold.errors import TransientFailure
from twofold.ports import Cached, CacheKey, CacheLease, CacheStore, Position
from twofold.testing.conformance._domain.bank import Deposit, Open
from twofold.testing.conformance._tools.in_time import CEILING, until
from twofold_memory import InMemory, InMemoryCache
from twofold_redis import RedisCache

in_memory = pytest.mark.parametrize("kind", ["memory-asyncio", "memory-trio"])
on_redis = pytest.mark.parametrize("kind", ["redis"])


class GetAny(Query[int]):
    id: Any


class Slow(InMemoryCache):
    """An unavailable cache."""

    def __init__(self) -> None:
        super().__init__()
        self.away = True
        self.calls = 0

    async def lookup(
        self, key: CacheKey, tenant: str | None = None, *, at_least: Position | None = None
    ) -> Cached | CacheLease:
        self.calls += 1
        if self.away:
            raise TransientFailure("the cache is away")
        return await super().lookup(key, tenant, at_least=at_least)

    async def invalidate(self, keys: Sequence[CacheKey]) -> None:
        if self.away:
            raise TransientFailure("the cache is away")
        await super().invalidate(keys)


@in_memory
async def test_a_cache_that_is_away_slows_queries_for_a_moment(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first query calls the unavailable cache, and the next ones skip it.

    No query fails. Invalidations wait for its return.
    """
    monkeypatch.setattr(answers, "_PAUSE", 3600.0)
    cache = Slow()
    async with bank(cache) as app:
        await app.dispatch(Open(account_id="a"))
        for _ in range(20):
            assert await app.execute(GetCached(account_id="a"), timeout=CEILING, after=None) in (balance(0), None)
        assert cache.calls == 1
        assert app.operations.cache_stats() == CacheStats(failures=1)

        async def something_is_wrong() -> bool:
            return not (await app.health()).healthy

        await until(something_is_wrong, "health was to name a problem")
        cache.away = False
        await app.settle()
        assert (await app.health()).healthy


@in_memory
async def test_an_unreadable_answer_is_loaded_and_removed(kind: str) -> None:
    """An answer that another program has written is ignored: the query is loaded, and its answer is cached."""

    class Spoilt(InMemoryCache):
        spoilt = False

        async def lookup(
            self, key: CacheKey, tenant: str | None = None, *, at_least: Position | None = None
        ) -> Cached | CacheLease:
            if self.spoilt:
                return Cached("{", Position(2**62), "log")
            return await super().lookup(key, tenant, at_least=at_least)

        async def invalidate(self, keys: Sequence[CacheKey]) -> None:
            self.spoilt = False
            await super().invalidate(keys)

    cache = Spoilt()
    async with bank(cache) as app:
        session = app.session()
        await session.dispatch(Open(account_id="a"))
        await app.settle()
        cache.spoilt = True
        assert await session.execute(GetCached(account_id="a")) == balance(0)
        assert app.operations.cache_stats().failures == 1
        for _ in range(2):
            assert await session.execute(GetCached(account_id="a")) == balance(0)
        assert (app.operations.cache_stats().hits, app.operations.cache_stats().fills) == (1, 1)


async def test_a_query_without_a_key_is_loaded_each_time(store: CacheStore, caplog: pytest.LogCaptureFixture) -> None:
    """A query whose field does not fit the format of its key is loaded each time. The log reports it once."""
    app = Application("bank", write=InMemory(), cache=store)
    loads = Loads()

    @app.query_handler(GetAny, cache=Cache(ttl=60, key="{id:.2f}"))
    async def get_any(query: GetAny) -> int:
        await loads.load()
        return loads.count

    async with app:
        for number in range(1, 4):
            assert await app.execute(GetAny(id="a")) == number
        assert await app.execute(GetAny(id=1.0)) == await app.execute(GetAny(id=1.0)) == 4
    assert [each.message for each in caplog.records if "cannot format the cache key" in each.message] == [
        caplog.messages[0]
    ]


async def test_half_a_character_is_a_key_like_any_other(store: CacheStore) -> None:
    """A text that has no UTF-8, as `os.fsdecode` gives it."""
    app = Application("bank", write=InMemory(), cache=store)
    loads = Loads()

    @app.query_handler(GetAny, cache=Cache(ttl=60, key="{id}"))
    async def get_any(query: GetAny) -> int:
        await loads.load()
        return loads.count

    async with app:
        for _ in range(2):
            assert await app.session(tenant="té").execute(GetAny(id="a\ud800")) == 1
        assert await app.execute(GetAny(id="a\ud801")) == 2


@pytest.fixture
def server() -> Iterator[PrivateServer]:
    """A private Redis that persists only what `SAVE` has written."""
    if not RedisServer().installed():
        pytest.skip(f"needs {RedisServer.programs} to kill one")
    server = RedisServer().private("--appendonly", "no")
    try:
        yield server
    finally:
        server.remove()


@on_redis
async def test_a_redis_that_dies_slows_queries_and_fails_none(kind: str, server: PrivateServer) -> None:
    """Killed in the middle and started again: queries are answered throughout, and then by the cache again."""
    async with Client.from_url(server.url) as client, bank(RedisCache(client)) as app:
        session = app.session()
        await session.dispatch(Open(account_id="a"))
        for number in range(1, 31):
            if number == 10:
                server.kill()
            if number == 15:
                server.start()
            if number == 20:
                async with Client.from_url(server.url) as operator:  # the pool of the cache has closed connections
                    await operator.client_pause(1500)
            await session.dispatch(Deposit(account_id="a", amount=Decimal(1)))
            assert await session.execute(GetCached(account_id="a")) == balance(number)
        await app.settle()
        assert app.operations.cache_stats().failures >= 1
        hits = app.operations.cache_stats().hits

        async def it_is_a_hit() -> bool:
            assert await session.execute(GetCached(account_id="a")) == balance(30)
            return app.operations.cache_stats().hits > hits

        await until(it_is_a_hit, "the cache was to answer again", pause=0.05)


@on_redis
async def test_a_redis_with_older_answers_after_a_restart_returns_none(kind: str, server: PrivateServer) -> None:
    """An answer that was invalidated after the last snapshot exists again, but belongs to an earlier run of the server."""
    async with Client.from_url(server.url) as client, bank(RedisCache(client)) as app:
        await app.dispatch(Open(account_id="a"))
        await app.settle()
        assert await app.execute(GetCached(account_id="a")) == balance(0)
        await client.save()
        await app.dispatch(Deposit(account_id="a", amount=Decimal(5)))
        await app.settle()
        kept = await client.dbsize()
        server.kill()
        await anyio.sleep(0.1)  # for so long a process believes that it still runs
        server.start()
        await client.connection_pool.disconnect()
        assert await client.dbsize() >= kept
        failures = app.operations.cache_stats().failures
        assert await app.execute(GetCached(account_id="a")) == balance(5)
        hits = app.operations.cache_stats().hits
        assert await app.execute(GetCached(account_id="a")) == balance(5)
        assert app.operations.cache_stats().hits == hits + 1
        assert app.operations.cache_stats().failures == failures
