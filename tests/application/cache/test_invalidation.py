"""An event invalidates the answers that it changes, for every tenant and release, even if other projections stop."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import anyio
import pytest

from tests.domains.cached_bank import CACHED, KEY, GetCached, GetNote, Loads, Note, balance, bank
from twofold import Application, Cache, Command, Event, Query, ReadModel, Router, UnitOfWork, on
from twofold.errors import TransientFailure
from twofold.ports import CacheStore
from twofold.testing.conformance._domain.bank import Balance, Deposit, Deposited, Open, Opened
from twofold.testing.conformance._domain.bank import bank as bank_module
from twofold.testing.conformance._tools.in_time import in_time, until
from twofold_memory import InMemory


class GetDay(Query[int]):
    day: str


class Noted(Event, name="bank.noted"):
    day: Any


class Write(Command[None]):
    day: str | None


async def test_a_stopped_projection_delays_only_its_own_queries(store: CacheStore) -> None:
    """Events of other projections still invalidate answers."""
    stuck, router = False, Router("notes")

    @router.projection("notes")
    class Notes:
        def __init__(self, notes: ReadModel[Note]) -> None:
            self.notes = notes

        @on(Opened)
        async def opened(self, event: Opened) -> None:
            if stuck:
                raise TransientFailure("the other system is away")
            await self.notes.put(Note(account_id=event.account_id))

    @router.query_handler(GetNote, cache=Cache(ttl=60, key="{account_id}", invalidated_by={Opened: "{account_id}"}))
    async def get_note(query: GetNote, notes: ReadModel[Note]) -> Note | None:
        return await notes.get(query.account_id)

    async with bank(store, None, router) as app:
        await app.dispatch(Open(account_id="a"))
        await app.settle()
        assert await app.execute(GetCached(account_id="a")) == balance(0)
        stuck = True
        await app.dispatch(Open(account_id="b"))
        await app.dispatch(Deposit(account_id="a", amount=Decimal(5)))

        async def it_is_new() -> bool:
            return await app.execute(GetCached(account_id="a")) == balance(5)

        await until(it_is_new, "the answer was to be invalidated")
        stuck = False
        await app.settle()


async def test_a_release_with_other_rules_reads_no_answers_of_the_one_before(store: CacheStore) -> None:
    """Events that were still to end them are not seen by its subscription, which begins at the end of the log."""
    write = InMemory()
    async with bank(store, write=write) as old:
        await old.dispatch(Open(account_id="a"))
        await old.settle()
        assert await old.execute(GetCached(account_id="a")) == balance(0)
    async with bank(None, write=write) as without:
        await without.dispatch(Deposit(account_id="a", amount=Decimal(5)))
        await without.settle()
    async with bank(store, write=write, cached=Cache(ttl=60, key=KEY, invalidated_by={Deposited: KEY})) as new:
        assert await new.execute(GetCached(account_id="a")) == balance(5)


async def test_nothing_is_kept_of_a_read_model_that_is_behind_the_first_start(store: CacheStore) -> None:
    """A cache that joins an old log does not see the events that a new projection has still to apply."""
    write, loads = InMemory(), Loads()
    quiet = Application("bank", write=write, work=False)
    quiet.include(bank_module)
    async with quiet:
        await quiet.dispatch(Open(account_id="a"))
        await quiet.dispatch(Deposit(account_id="a", amount=Decimal(5)))
    negative = Cache(ttl=60, key=KEY, negative_ttl=60, invalidated_by=CACHED.invalidated_by)
    app = Application("bank", write=write, cache=store, work=False)
    reader = Router("reader")

    @reader.query_handler(GetCached, cache=negative)
    async def get_cached(query: GetCached, balances: ReadModel[Balance]) -> Balance | None:
        await loads.load()
        return await balances.get(query.account_id)

    for each in (bank_module, reader):
        app.include(each)
    async with app:
        for number in range(1, 3):
            assert await app.execute(GetCached(account_id="a")) is None
            assert loads.count == number
    async with bank(store, write=write, cached=negative) as working:
        await working.settle()
        for _ in range(2):
            assert await working.execute(GetCached(account_id="a")) == balance(5)
        assert working.operations.cache_stats().hits == 1


async def test_events_that_end_no_answer_keep_none_out(store: CacheStore) -> None:
    """The subscription passes events that invalidate nothing before the projection does.

    Answers loaded in between are cached.
    """
    hold, held, router = anyio.Event(), False, Router("notes")

    @router.projection("notes")
    class Notes:
        def __init__(self, notes: ReadModel[Note]) -> None:
            self.notes = notes

        @on(Opened)
        async def opened(self, event: Opened) -> None:
            if held:
                await hold.wait()
            await self.notes.put(Note(account_id=event.account_id))

        @on(Deposited)
        async def deposited(self, event: Deposited) -> None: ...

    @router.query_handler(GetNote, cache=Cache(ttl=60, key="{account_id}", invalidated_by={Deposited: "{account_id}"}))
    async def get_note(query: GetNote, notes: ReadModel[Note]) -> Note | None:
        return await notes.get(query.account_id)

    async with bank(store, None, router) as app:
        await app.dispatch(Open(account_id="a"))
        await app.settle()
        held = True
        await app.dispatch(Open(account_id="b"))
        for _ in range(2):
            assert await app.execute(GetNote(account_id="a")) == Note(account_id="a")
        assert app.operations.cache_stats().hits == 1
        hold.set()


async def test_an_answer_is_ended_only_when_its_projection_has_the_event(store: CacheStore) -> None:
    """Ended before, it would be loaded from rows that lack the event."""
    hold, held, router = anyio.Event(), False, Router("notes")

    @router.projection("notes")
    class Notes:
        def __init__(self, notes: ReadModel[Note]) -> None:
            self.notes = notes

        @on(Deposited)
        async def deposited(self, event: Deposited) -> None:
            if held:
                await hold.wait()
            await self.notes.put(Note(account_id=event.account_id))

    cached = Cache(ttl=60, key="{account_id}", negative_ttl=60, invalidated_by={Deposited: "{account_id}"})

    @router.query_handler(GetNote, cache=cached)
    async def get_note(query: GetNote, notes: ReadModel[Note]) -> Note | None:
        return await notes.get(query.account_id)

    async with bank(store, None, router) as app:
        await app.dispatch(Open(account_id="a"))
        await app.settle()
        held = True
        assert await app.execute(GetNote(account_id="a")) is None
        await app.dispatch(Deposit(account_id="a", amount=Decimal(5)))
        await anyio.wait_all_tasks_blocked()
        for _ in range(3):
            assert await app.execute(GetNote(account_id="a")) is None
        assert app.operations.cache_stats().misses == 1
        hold.set()
        await app.settle()
        assert await app.execute(GetNote(account_id="a")) == Note(account_id="a")


@pytest.mark.parametrize(("asks", "writes"), [(None, "north"), ("north", None), ("north", "south"), ("north", "north")])
async def test_an_event_ends_the_answers_of_every_tenant(
    store: CacheStore, asks: str | None, writes: str | None
) -> None:
    """Sessions of other tenants, or of none, may read the same rows.

    So an event invalidates the answers of all tenants.
    """
    async with bank(store) as app:
        await app.dispatch(Open(account_id="a"))
        await app.settle()
        assert await app.session(tenant=asks).execute(GetCached(account_id="a")) == balance(0)
        await app.session(tenant=writes).dispatch(Deposit(account_id="a", amount=Decimal(5)))
        await app.settle()
        assert await app.session(tenant=asks).execute(GetCached(account_id="a")) == balance(5)


async def test_a_rebuild_ends_the_answers_from_the_old_rows(store: CacheStore) -> None:
    """Of the queries that read the projection; those of others stay."""
    amount, router = 1, Router("notes")

    @router.projection("rebuilt")
    class Notes:
        def __init__(self, notes: ReadModel[Note]) -> None:
            self.notes = notes

        @on(Opened)
        async def opened(self, event: Opened) -> None:
            if amount == 2:
                await self.notes.put(Note(account_id=event.account_id))

    @router.query_handler(GetNote, cache=Cache(ttl=60, key="{account_id}", negative_ttl=60))
    async def get_note(query: GetNote, notes: ReadModel[Note]) -> Note | None:
        return await notes.get(query.account_id)

    async with bank(store, None, router) as app:
        await app.dispatch(Open(account_id="a"))
        await app.settle()
        assert await app.execute(GetNote(account_id="a")) is None
        assert await app.execute(GetCached(account_id="a")) == balance(0)
        amount = 2
        await app.operations.rebuild("rebuilt")
        hits = app.operations.cache_stats().hits
        assert await app.execute(GetNote(account_id="a")) == Note(account_id="a")
        assert await app.execute(GetCached(account_id="a")) == balance(0)
        assert app.operations.cache_stats().hits == hits + 1


async def test_an_event_without_a_key_ends_all_answers_of_its_query(
    store: CacheStore, caplog: pytest.LogCaptureFixture
) -> None:
    """An event with None in its key invalidates all answers of the query. The subscription continues."""
    app = Application("bank", write=InMemory(), cache=store)
    loads = Loads()

    @app.command_handler(Write)
    async def write(command: Write, unit: UnitOfWork) -> None:
        unit.record(Noted(day=command.day))

    @app.query_handler(GetDay, cache=Cache(ttl=60, key="{day:>9}", invalidated_by={Noted: "{day:>9}"}))
    async def get_day(query: GetDay) -> int:
        await loads.load()
        return loads.count

    with in_time():
        async with app:
            assert [await app.execute(GetDay(day=day)) for day in "ab"] == [1, 2]
            await app.dispatch(Write(day=None))
            await app.settle()
            assert [await app.execute(GetDay(day=day)) for day in "ab"] == [3, 4]
            await app.dispatch(Write(day="a"))
            await app.settle()
            assert [await app.execute(GetDay(day=day)) for day in "ab"] == [5, 4]
    assert "cannot format the key" in caplog.text


async def test_a_read_that_took_long_does_not_replace_a_later_one(store: CacheStore) -> None:
    """Two processes load at one position, one before an event and one after it; the first of them is the last to fill."""
    write, slow, quick = InMemory(), Loads(), Loads()
    never_ended = Cache(ttl=60, key=KEY)

    def process(before: Loads, after: Loads) -> Application:
        app = Application("bank", write=write, cache=store)

        @app.query_handler(GetCached, cache=never_ended)
        async def get_cached(query: GetCached, balances: ReadModel[Balance]) -> Balance | None:
            await before.load()
            found = await balances.get(query.account_id)
            await after.load()
            return found

        app.include(bank_module)
        return app

    with in_time():
        async with process(Loads(), slow) as one, process(quick, Loads()) as two:
            await one.dispatch(Open(account_id="a"))
            await one.settle()
            slow.hold()
            quick.hold()
            async with anyio.create_task_group() as first:
                first.start_soon(one.execute, GetCached(account_id="a"))
                await slow.began.wait()
                async with anyio.create_task_group() as second:
                    second.start_soon(two.execute, GetCached(account_id="a"))
                    await quick.began.wait()
                    await one.dispatch(Deposit(account_id="a", amount=Decimal(5)))
                    await one.settle()
                    quick.go.set()
                assert await two.execute(GetCached(account_id="a")) == balance(5)
                slow.go.set()
            assert await two.execute(GetCached(account_id="a")) == balance(5)
