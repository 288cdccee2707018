"""Concurrent queries share one load, without deadlocks."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from tests.domains.cached_bank import GetCached, GetNote, Loads, Note, balance, bank
from twofold import Application, Cache, CacheStats, Query, QueryBus
from twofold.errors import DispatchCycle
from twofold.ports import CacheStore
from twofold.testing.conformance._domain.bank import Open
from twofold.testing.conformance._domain.bank import bank as bank_module
from twofold.testing.conformance._tools.in_time import in_time
from twofold_memory import InMemory


class GetOne(Query[int]):
    pass


class GetOther(Query[int]):
    pass


class GetLossy(Query[object]):
    pass


async def test_concurrent_queries_load_once(store: CacheStore) -> None:
    """A thousand concurrent misses of one key cause one load, and all get its answer. Each other key has its own load."""
    loads = Loads()
    async with bank(store, loads) as app:
        await app.dispatch(Open(account_id="a"))
        await app.settle()
        loads.hold()
        answers: list[object] = []

        async def ask() -> None:
            answers.append(await app.execute(GetCached(account_id="a")))

        async with anyio.create_task_group() as tasks:
            for _ in range(1000):
                tasks.start_soon(ask)
            await loads.began.wait()
            await anyio.wait_all_tasks_blocked()
            loads.go.set()
        assert answers == [balance(0)] * 1000
        assert loads.count == 1
        assert app.operations.cache_stats() == CacheStats(misses=1, fills=1)


async def test_a_cancelled_query_does_not_cancel_others(store: CacheStore) -> None:
    """When the loading query is cancelled, a waiting query loads, and all waiting queries get that answer."""
    loads = Loads()
    async with bank(store, loads) as app:
        await app.dispatch(Open(account_id="a"))
        await app.settle()
        loads.hold()
        answers: list[object] = []
        first = anyio.CancelScope()

        async def impatient() -> None:
            with first:
                answers.append(await app.execute(GetCached(account_id="a")))

        async def ask() -> None:
            answers.append(await app.execute(GetCached(account_id="a")))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(impatient)
            await loads.began.wait()
            for _ in range(5):
                tasks.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            first.cancel()
            loads.go.set()
        assert answers == [balance(0)] * 5
        assert loads.count == 2


async def test_a_failure_is_not_cached_and_reaches_all_waiting_queries(store: CacheStore) -> None:
    """Every waiting caller gets the error. The next query loads again."""
    loads = Loads()
    async with bank(store, loads) as app:
        loads.hold()
        loads.error = ValueError("on purpose")
        failures: list[Exception] = []

        async def ask() -> None:
            try:
                await app.execute(GetCached(account_id="a"))
            except ValueError as error:
                failures.append(error)

        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(ask)
            await loads.began.wait()
            loads.go.set()
        assert len(failures) == 10
        loads.error = None
        assert await app.execute(GetCached(account_id="a")) is None


async def test_a_query_that_executes_itself_raises_an_error(store: CacheStore) -> None:
    """Otherwise the query would wait forever for its own answer."""
    app = Application("bank", write=InMemory(), cache=store)

    @app.query_handler(GetNote, cache=Cache(ttl=60, key="{account_id}"))
    async def get_note(query: GetNote, queries: QueryBus) -> Note | None:
        return await queries.execute(query)

    with in_time():
        async with app:
            with pytest.raises(DispatchCycle):
                await app.execute(GetNote(account_id="a"))


async def test_queries_that_execute_each_other_raise_an_error(store: CacheStore) -> None:
    """Cached queries that wait for each other raise an error, within one task and across two tasks."""
    app = Application("bank", write=InMemory(), cache=store)
    met = 0
    both = anyio.Event()

    async def meet() -> None:
        nonlocal met
        met += 1
        if met >= 2:
            both.set()
        await both.wait()

    @app.query_handler(GetOne, cache=Cache(ttl=60, key="one"))
    async def get_one(query: GetOne, queries: QueryBus) -> int:
        await meet()
        return await queries.execute(GetOther())

    @app.query_handler(GetOther, cache=Cache(ttl=60, key="other"))
    async def get_other(query: GetOther, queries: QueryBus) -> int:
        await meet()
        return await queries.execute(GetOne())

    failed: list[Query[int]] = []

    async def ask(query: Query[int]) -> None:
        with pytest.raises(DispatchCycle):
            await app.execute(query)
        failed.append(query)

    with in_time():
        async with app:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask, GetOne())
                tasks.start_soon(ask, GetOther())
            assert len(failed) == 2
            await ask(GetOne())


async def test_a_chain_of_three_waiting_queries_is_answered(store: CacheStore) -> None:
    """A chain of waiting queries is not a cycle."""
    app = Application("bank", write=InMemory(), cache=store)
    loads = Loads()

    @app.query_handler(GetOne, cache=Cache(ttl=60, key="one"))
    async def get_one(query: GetOne, queries: QueryBus) -> int:
        return 1 + await queries.execute(GetOther())

    @app.query_handler(GetOther, cache=Cache(ttl=60, key="other"))
    async def get_other(query: GetOther) -> int:
        await loads.load()
        return 1

    answers: list[int] = []

    async def ask(query: Query[int]) -> None:
        answers.append(await app.execute(query))

    with in_time():
        async with app:
            loads.hold()
            async with anyio.create_task_group() as tasks:
                for query in (GetOther(), GetOne(), GetOne(), GetOther()):
                    tasks.start_soon(ask, query)
                await loads.began.wait()
                await anyio.wait_all_tasks_blocked()
                loads.go.set()
            assert sorted(answers) == [1, 1, 2, 2]
            assert loads.count == 1


async def test_answers_that_cannot_be_shared_are_loaded_concurrently(store: CacheStore) -> None:
    """After the first answer that cannot be shared, the waiting callers load at the same time."""
    app = Application("bank", write=InMemory(), cache=store)
    loads = Loads()
    at_once = most = 0

    @app.query_handler(GetLossy, cache=Cache(ttl=60, key="n"))
    async def get_lossy(query: GetLossy) -> object:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await loads.load()
        at_once -= 1
        return (1,)

    with in_time():
        async with app:
            loads.hold()
            async with anyio.create_task_group() as tasks:
                for _ in range(20):
                    tasks.start_soon(app.execute, GetLossy())
                await loads.began.wait()
                await anyio.wait_all_tasks_blocked()
                first = loads.go
                loads.hold()
                first.set()
                while most < 19:
                    await anyio.lowlevel.checkpoint()
                loads.go.set()
    assert most == 19
    assert loads.count == 20


async def test_a_task_of_a_handler_executes_queries_as_others_do(store: CacheStore) -> None:
    """After the handler has returned, a query of its task may share a load and an answer, like any other query."""
    app = Application("bank", write=InMemory(), cache=store)
    answered, polled = anyio.Event(), anyio.Event()
    loads, ones = Loads(), Loads()

    async def poll() -> None:
        await answered.wait()
        await app.execute(GetLossy())
        assert await app.execute(GetOne()) == 1
        polled.set()

    with in_time():
        async with anyio.create_task_group() as tasks:

            @app.query_handler(GetLossy, cache=Cache(ttl=60, key="n"))
            async def get_lossy(query: GetLossy) -> object:
                if not loads.count:
                    tasks.start_soon(poll)
                await loads.load()
                return (1,)

            @app.query_handler(GetOne, cache=Cache(ttl=60, key="one"))
            async def get_one(query: GetOne) -> int:
                await ones.load()
                return 1

            app.include(bank_module)
            async with app:
                await app.execute(GetOne())
                session = app.session()
                await session.dispatch(Open(account_id="a"))
                await session.execute(GetLossy())
                answered.set()
                await polled.wait()
    assert (loads.count, ones.count) == (2, 1)
