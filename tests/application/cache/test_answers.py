"""Cached answers: stored until an event invalidates them, only for cached queries, and with a new object for each caller."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import anyio
import pytest

from tests.domains.cached_bank import CACHED, KEY, GetCached, Loads, balance, bank
from twofold import Application, Cache, CacheStats, Query, ReadModel
from twofold.errors import NotAuthorised
from twofold.ports import CacheStore
from twofold.testing.conformance._domain.bank import Balance, Deposit, Open, Opened
from twofold.testing.conformance._domain.bank import bank as bank_module
from twofold_memory import InMemory


async def test_a_second_question_is_answered_from_the_cache(store: CacheStore) -> None:
    """The handler runs once, until an event invalidates the answer."""
    loads = Loads()
    async with bank(store, loads) as app:
        await app.dispatch(Open(account_id="a"))
        await app.settle()
        for _ in range(3):
            assert await app.execute(GetCached(account_id="a")) == balance(0)
        assert loads.count == 1
        await app.dispatch(Deposit(account_id="a", amount=Decimal(5)))
        await app.settle()
        for _ in range(3):
            assert await app.execute(GetCached(account_id="a")) == balance(5)
        assert loads.count == 2
        stats = app.operations.cache_stats()
        assert (stats.hits, stats.misses, stats.fills, stats.failures) == (4, 2, 2, 0)


async def test_a_load_that_an_event_overtakes_is_not_kept(store: CacheStore) -> None:
    """An answer whose load overlaps with the projection and the invalidation is returned to its caller and not stored."""
    loads = Loads()
    async with bank(store, loads) as app:
        await app.dispatch(Open(account_id="a"))
        await app.settle()
        loads.hold()
        early: list[object] = []

        async def ask() -> None:
            early.append(await app.execute(GetCached(account_id="a")))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await loads.began.wait()
            await app.dispatch(Deposit(account_id="a", amount=Decimal(5)))
            await app.settle()
            loads.go.set()
        assert early == [balance(0)]
        assert app.operations.cache_stats().refused == 1
        assert await app.execute(GetCached(account_id="a")) == balance(5)


async def test_none_is_cached_only_with_negative_ttl(store: CacheStore) -> None:
    """By default a missing row is loaded each time.

    With `negative_ttl` None is cached, until an event invalidates it.
    """
    loads = Loads()
    async with bank(store, loads) as app:
        for _ in range(3):
            assert await app.execute(GetCached(account_id="a")) is None
        assert loads.count == 3
    negative = Cache(ttl=60, key=KEY, negative_ttl=60, invalidated_by={Opened: KEY})
    loads = Loads()
    async with bank(store, loads, cached=negative) as app:
        for _ in range(3):
            assert await app.execute(GetCached(account_id="b")) is None
        assert loads.count == 1
        await app.dispatch(Open(account_id="b"))
        await app.settle()
        assert await app.execute(GetCached(account_id="b")) is not None


async def test_another_log_is_another_world(store: CacheStore) -> None:
    """Answers of one log are not found by an application of the same name on another log."""
    async with bank(store) as app:
        await app.dispatch(Open(account_id="a"))
        await app.settle()
        assert await app.execute(GetCached(account_id="a")) == balance(0)
    async with bank(store) as other:
        assert await other.execute(GetCached(account_id="a")) is None


async def test_each_waiting_query_gets_an_object_of_its_own(store: CacheStore) -> None:
    """Each of several waiting callers gets its own object. Changing it does not affect the others."""

    class GetList(Query[list[int]]):
        pass

    app = Application("bank", write=InMemory(), cache=store)
    loads = Loads()

    @app.query_handler(GetList, cache=Cache(ttl=60, key="list"))
    async def get_list(query: GetList) -> list[int]:
        await loads.load()
        return [1]

    async with app:
        loads.hold()
        answers: list[list[int]] = []

        async def ask() -> None:
            answers.append(await app.execute(GetList()))

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(ask)
            await loads.began.wait()
            loads.go.set()
        answers.append(await app.execute(GetList()))
        for each in answers:
            each.append(2)
        assert answers == [[1, 2]] * 6


async def test_middleware_comes_before_the_cache(store: CacheStore) -> None:
    """Middleware runs before the cache: a refused caller gets no answer, cached or not."""
    allowed = True

    async def guard(message: Query[object], call_next: Callable[[object], object]) -> object:
        if not allowed:
            raise NotAuthorised("not you")
        return await call_next(message)  # type: ignore[misc]

    app = Application("bank", write=InMemory(), cache=store)
    app.include(bank_module)
    app.use(guard, on=GetCached)

    @app.query_handler(GetCached, cache=CACHED)
    async def get_cached(query: GetCached, balances: ReadModel[Balance]) -> Balance | None:
        return await balances.get(query.account_id)

    async with app:
        await app.dispatch(Open(account_id="a"))
        await app.settle()
        assert await app.execute(GetCached(account_id="a")) == balance(0)
        allowed = False
        with pytest.raises(NotAuthorised):
            await app.execute(GetCached(account_id="a"))
        assert "cache: key 'balance:{account_id}', kept for 60 s" in app.explain(GetCached)


@pytest.mark.parametrize("kind", ["memory-asyncio", "memory-trio"])
async def test_without_a_cache_every_question_is_loaded(kind: str) -> None:
    """The same application runs without a cache."""
    loads = Loads()
    async with bank(None, loads) as app:
        await app.dispatch(Open(account_id="a"))
        await app.settle()
        for number in range(1, 4):
            assert await app.execute(GetCached(account_id="a")) == balance(0)
            assert loads.count == number
        assert app.operations.cache_stats() == CacheStats()
