"""One load for all who ask at once, and nobody waits for what waits for him."""

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


class GetNoNumber(Query[float]):
    pass


async def test_many_who_ask_at_once_load_once(store: CacheStore) -> None:
    """A thousand misses are one load, and all get its answer; other keys have their own."""
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


async def test_who_waits_and_goes_takes_nobody_along(store: CacheStore) -> None:
    """When the one that loads is cancelled, one of the others does, and all get that answer."""
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


async def test_a_failure_is_not_cached_and_reaches_all_who_wait(store: CacheStore) -> None:
    """Everybody who waited gets it, and the next who asks loads anew."""
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


async def test_a_query_that_asks_for_itself_is_told(store: CacheStore) -> None:
    """It would wait for its own answer for ever."""
    app = Application("bank", write=InMemory(), cache=store)

    @app.query_handler(GetNote, cache=Cache(ttl=60, key="{account_id}"))
    async def get_note(query: GetNote, queries: QueryBus) -> Note | None:
        return await queries.execute(query)

    with in_time():
        async with app:
            with pytest.raises(DispatchCycle):
                await app.execute(GetNote(account_id="a"))


async def test_queries_that_ask_for_each_other_are_told(store: CacheStore) -> None:
    """Asked by one task, or by two of which each loads what the other one waits for."""
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


async def test_who_waits_for_one_that_waits_for_a_third_is_served(store: CacheStore) -> None:
    """Waiting in a row is no cycle."""
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


async def test_what_cannot_be_shared_is_loaded_by_all_at_once(store: CacheStore) -> None:
    """After the first such answer nobody waits for another one's."""
    app = Application("bank", write=InMemory(), cache=store)
    loads = Loads()
    at_once = most = 0

    @app.query_handler(GetNoNumber, cache=Cache(ttl=60, key="n"))
    async def get_no_number(query: GetNoNumber) -> float:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await loads.load()
        at_once -= 1
        return float("nan")

    with in_time():
        async with app:
            loads.hold()
            async with anyio.create_task_group() as tasks:
                for _ in range(20):
                    tasks.start_soon(app.execute, GetNoNumber())
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


async def test_a_task_that_a_handler_began_asks_like_any_other(store: CacheStore) -> None:
    """Once that handler has answered, its query is one like any other in there, and needs nothing newer than others do."""
    app = Application("bank", write=InMemory(), cache=store)
    answered, polled = anyio.Event(), anyio.Event()
    loads, ones = Loads(), Loads()

    async def poll() -> None:
        await answered.wait()
        await app.execute(GetNoNumber())
        assert await app.execute(GetOne()) == 1
        polled.set()

    with in_time():
        async with anyio.create_task_group() as tasks:

            @app.query_handler(GetNoNumber, cache=Cache(ttl=60, key="n"))
            async def get_no_number(query: GetNoNumber) -> float:
                if not loads.count:
                    tasks.start_soon(poll)
                await loads.load()
                return float("nan")

            @app.query_handler(GetOne, cache=Cache(ttl=60, key="one"))
            async def get_one(query: GetOne) -> int:
                await ones.load()
                return 1

            app.include(bank_module)
            async with app:
                await app.execute(GetOne())
                session = app.session()
                await session.dispatch(Open(account_id="a"))
                await session.execute(GetNoNumber())
                answered.set()
                await polled.wait()
    assert (loads.count, ones.count) == (2, 1)
