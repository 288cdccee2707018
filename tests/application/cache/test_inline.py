"""A cached query that reads an inline projection gives no old answer after the command has returned."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel

from twofold import Application, Cache, Command, Event, Query, ReadModel, UnitOfWork, View, on
from twofold.errors import TransientFailure
from twofold.ports import CacheKey, CacheStore
from twofold.testing.conformance._tools.in_time import in_time
from twofold.testing.conformance._tools.proxy import Proxy
from twofold_memory import InMemory


class Sold(Event, name="inline.sold"):
    id: str


class Sales(View, name="inline_sales", key="id"):
    id: str
    number: int


class Sell(Command[None]):
    id: str


class CountSales(Query[int]):
    id: str


KEY = "sales:{id}"


class Gate:
    """Holds the loads of a query."""

    def __init__(self) -> None:
        self.open, self.reached = anyio.Event(), anyio.Event()
        self.open.set()


@asynccontextmanager
async def shop(store: CacheStore, gate: Gate | None = None) -> AsyncIterator[Application]:
    """Run an application with a cached query of an inline projection. Its subscriptions do not run."""
    app = Application("shop", write=InMemory(), cache=store, work=False)

    @app.command_handler(Sell)
    async def sell(command: Sell, unit: UnitOfWork) -> None:
        unit.record(Sold(id=command.id))

    @app.projection("inline_sales", mode="inline")
    class Projected:
        def __init__(self, sales: ReadModel[Sales]) -> None:
            self.sales = sales

        @on(Sold)
        async def sold(self, event: Sold) -> None:
            before = await self.sales.get(event.id)
            await self.sales.put(Sales(id=event.id, number=before.number + 1 if before else 1))

    @app.query_handler(CountSales, cache=Cache(ttl=3600, key=KEY, invalidated_by={Sold: KEY}))
    async def count(query: CountSales, sales: ReadModel[Sales]) -> int:
        found = await sales.get(query.id)
        if gate is not None:
            gate.reached.set()
            await gate.open.wait()
        return found.number if found else 0

    with in_time():
        async with app:
            yield app


async def test_an_answer_is_new_once_the_command_has_returned(store: CacheStore) -> None:
    """The command invalidates it, in any session, before a subscription does. Other answers stay."""
    async with shop(store) as app:
        for number in range(5):
            for _ in range(2):
                assert await app.execute(CountSales(id="a")) == number
            assert await app.execute(CountSales(id="b")) == 0
            await app.dispatch(Sell(id="a"))
        stats = app.operations.cache_stats()
    assert (stats.hits, stats.misses) == (5 + 4, 5 + 1)


async def test_a_load_from_before_the_command_is_not_shared(store: CacheStore) -> None:
    """A query that begins after the command does not share the earlier load, and the answer of that load is not cached."""
    gate = Gate()
    async with shop(store, gate) as app, anyio.create_task_group() as tasks:
        gate.open = anyio.Event()
        tasks.start_soon(app.execute, CountSales(id="a"))
        await gate.reached.wait()
        await app.dispatch(Sell(id="a"))
        old, gate.open = gate.open, anyio.Event()
        gate.open.set()
        assert await app.execute(CountSales(id="a")) == 1
        old.set()
        await anyio.wait_all_tasks_blocked()
        assert await app.execute(CountSales(id="a")) == 1


async def test_a_rebuild_invalidates_the_answers(store: CacheStore) -> None:
    """The rows of an inline projection have changed, so its cached answers are not used."""
    async with shop(store) as app:
        await app.dispatch(Sell(id="a"))
        assert await app.execute(CountSales(id="a")) == 1
        await app.operations.rebuild("inline_sales")
        hits = app.operations.cache_stats().hits
        assert await app.execute(CountSales(id="a")) == 1
        assert app.operations.cache_stats().hits == hits


async def test_the_pipeline_lists_the_queries_that_a_command_invalidates(store: CacheStore) -> None:
    """Its last step names the queries."""
    async with shop(store) as app:
        assert app.explain(Sell).splitlines()[-1].endswith("invalidation: of cached answers of CountSales")


class Failing(Proxy):
    """A cache that cannot invalidate."""

    async def invalidate(self, keys: list[CacheKey]) -> None:
        raise TransientFailure("the cache is away")


async def test_a_cache_that_fails_gives_no_old_answer_later(store: CacheStore) -> None:
    """The command succeeds. When the cache is back, its old answers of the query are not used."""
    cache: Any = Failing(store)
    async with shop(cache) as app:
        assert await app.execute(CountSales(id="a")) == 0
        await app.dispatch(Sell(id="a"))
        assert await app.execute(CountSales(id="a")) == 1
        await anyio.lowlevel.checkpoint()
        app._started().assembly.answers._retry_at = 0.0  # type: ignore[union-attr]  # the pause after a failure is over
        assert await app.execute(CountSales(id="a")) == 1
