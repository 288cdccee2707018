"""A cached answer that contains another answer is at most as new as the other one."""

from __future__ import annotations

from decimal import Decimal

import anyio
import pytest

from tests.domains.cached_bank import GetCached, GetNote, Held, Note, balance, bank
from twofold import Application, Cache, Query, QueryBus, ReadModel, Router, on
from twofold.ports import CacheStore
from twofold.testing.conformance._domain.bank import Balance, Deposit, Open, Opened
from twofold.testing.conformance._domain.bank import bank as bank_module
from twofold.testing.conformance._tools.in_time import in_time
from twofold_memory import InMemory


class GetOuter(Query["Balance | None"]):
    account_id: str


async def test_an_answer_made_of_another_is_no_newer_than_that(store: CacheStore) -> None:
    """The inner query is loaded again if its cached answer is too old for the position of the outer query."""
    router, never_ended = Router("outer"), Cache(ttl=60, key="{account_id}")

    @router.query_handler(GetOuter, cache=never_ended, reads="balances")
    async def get_outer(query: GetOuter, queries: QueryBus) -> Balance | None:
        return await queries.execute(GetCached(account_id=query.account_id))

    async with bank(store, None, router, cached=never_ended) as app:
        await app.dispatch(Open(account_id="a"))
        await app.settle()
        assert await app.execute(GetCached(account_id="a")) == balance(0)
        session = app.session()
        await session.dispatch(Deposit(account_id="a", amount=Decimal(5)))
        await app.settle()
        assert await app.execute(GetOuter(account_id="a")) == balance(5)
        assert await session.execute(GetOuter(account_id="a")) == balance(5)


@pytest.mark.parametrize("kind", ["memory-asyncio", "memory-trio"])
@pytest.mark.parametrize("joined", [False, True])
async def test_an_answer_made_of_one_that_lags_claims_no_more(kind: str, joined: bool) -> None:
    """An outer query without own read models has the position of the inner answer, whether loaded or shared."""
    cache = Held()
    app = Application("bank", write=InMemory(), cache=cache)
    hold, held, asked, ask = anyio.Event(), False, anyio.Event(), anyio.Event()

    @app.projection("slow_notes")
    class Noted:
        def __init__(self, notes: ReadModel[Note]) -> None:
            self.notes = notes

        @on(Opened)
        async def opened(self, event: Opened) -> None:
            if held:
                await hold.wait()
            await self.notes.put(Note(account_id=event.account_id))

    @app.query_handler(GetNote, cache=Cache(ttl=60, key="{account_id}"))
    async def get_note(query: GetNote, notes: ReadModel[Note]) -> Note | None:
        return await notes.get(query.account_id)

    class GetAround(Query[bool]):
        account_id: str

    @app.query_handler(GetAround, cache=Cache(ttl=60, key="{account_id}"))
    async def get_around(query: GetAround, queries: QueryBus) -> bool:
        asked.set()
        await ask.wait()
        return await queries.execute(GetNote(account_id=query.account_id)) is not None

    app.include(bank_module)
    cache.go.set()
    with in_time():
        async with app:
            await app.dispatch(Open(account_id="first"))
            await app.settle()
            held = True
            session = app.session()
            await session.dispatch(Open(account_id="a"))
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(app.execute, GetAround(account_id="a"))
                await asked.wait()
                if joined:
                    cache.go = anyio.Event()
                    tasks.start_soon(app.execute, GetNote(account_id="a"))
                    await anyio.wait_all_tasks_blocked()
                ask.set()
                await anyio.wait_all_tasks_blocked()
                cache.go.set()
            hold.set()
            await app.settle()
            assert await session.execute(GetAround(account_id="a")) is True
