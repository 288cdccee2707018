"""Cached answers: found until an event ends them, each with an object of its own, and only where that is said."""

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
    """Held at a barrier while the projection and the invalidation pass, it answers who asked and nobody else."""
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


async def test_none_is_kept_only_where_that_is_said(store: CacheStore) -> None:
    """By default a row that is missing is looked for each time; with negative_ttl it is kept, and an event ends that."""
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
    """What was kept of one log is not found by an application of the same name on another one."""
    async with bank(store) as app:
        await app.dispatch(Open(account_id="a"))
        await app.settle()
        assert await app.execute(GetCached(account_id="a")) == balance(0)
    async with bank(store) as other:
        assert await other.execute(GetCached(account_id="a")) is None


async def test_each_who_waits_has_an_object_of_its_own(store: CacheStore) -> None:
    """What one of them does to its answer is not seen by the others."""

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
    """Who may not ask gets nothing, kept or not."""
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
    """The same application runs without one."""
    loads = Loads()
    async with bank(None, loads) as app:
        await app.dispatch(Open(account_id="a"))
        await app.settle()
        for number in range(1, 4):
            assert await app.execute(GetCached(account_id="a")) == balance(0)
            assert loads.count == number
        assert app.operations.cache_stats() == CacheStats()
