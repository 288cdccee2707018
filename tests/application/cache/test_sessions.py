"""Sessions see their own writes through the cache, whatever other callers load and store at the same time."""

from __future__ import annotations

from contextlib import aclosing
from decimal import Decimal

import anyio
import anyio.lowlevel
import pytest

from tests.domains.cached_bank import GetCached, GetNote, Held, Loads, Note, balance, bank
from twofold import Application, Cache, ReadModel, Retry, Router, on
from twofold.ports import CacheStore
from twofold.testing.conformance._domain.bank import Balance, Deposit, Open, Opened
from twofold.testing.conformance._tools.in_time import in_time, until


class Notes:
    """A projection that fails as long as `broken` is set."""

    def __init__(self) -> None:
        self.broken = True

    def router(self, loads: Loads, *, attempts: int) -> Router:
        """Return the projection, and a cached query that reads it."""
        router, this = Router("notes"), self

        @router.projection("notes", retry=Retry(attempts=attempts, delay=0.01))
        class Noted:
            def __init__(self, notes: ReadModel[Note]) -> None:
                self.notes = notes

            @on(Opened)
            async def opened(self, event: Opened) -> None:
                if this.broken and event.account_id == "bad":
                    raise ValueError("on purpose")
                await self.notes.put(Note(account_id=event.account_id))

        @router.query_handler(
            GetNote, cache=Cache(ttl=60, key="{account_id}", negative_ttl=60, invalidated_by={Opened: "{account_id}"})
        )
        async def get_note(query: GetNote, notes: ReadModel[Note]) -> Note | None:
            found = await notes.get(query.account_id)
            await loads.load()
            return found

        return router


async def set_aside(app: Application) -> None:
    """Return when the projection has parked an event."""

    async def one_is_parked() -> bool:
        return bool(await app.operations.parked("notes"))

    await until(one_is_parked, "an event was to be parked")


async def test_sessions_read_their_own_writes_through_the_cache(store: CacheStore) -> None:
    """Every query after a command sees the command, even though other callers keep caching earlier answers."""
    async with bank(store) as app:
        await app.dispatch(Open(account_id="a"))
        stop = anyio.Event()

        async def others() -> None:
            while not stop.is_set():
                await app.execute(GetCached(account_id="a"))
                await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(others)
            session = app.session()
            for number in range(1, 101):
                await session.dispatch(Deposit(account_id="a", amount=Decimal(1)))
                assert await session.execute(GetCached(account_id="a")) == balance(number)
                assert await app.execute(GetCached(account_id="a"), after=session.token) == balance(number)
            stop.set()


async def test_a_query_that_needs_a_later_position_does_not_wait_for_an_earlier_load(store: CacheStore) -> None:
    """A session that wrote after a load had begun starts its own load, while the earlier one still runs."""
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
            held = loads.pass_by()
            session = app.session()
            await session.dispatch(Deposit(account_id="a", amount=Decimal(5)))
            assert await session.execute(GetCached(account_id="a")) == balance(5)
            assert early == []
            held.set()
        assert early == [balance(0)]
        assert await app.execute(GetCached(account_id="a")) == balance(5)


async def test_an_answer_that_lacks_a_parked_event_is_not_kept(store: CacheStore) -> None:
    """While a projection has set events aside its answers are loaded each time; retried, the event is in the next one."""
    loads, notes = Loads(), Notes()
    async with bank(store, None, notes.router(loads, attempts=1)) as app:
        session = app.session()
        await session.dispatch(Open(account_id="bad"))
        await set_aside(app)
        for number in range(1, 4):
            assert await app.execute(GetNote(account_id="bad")) is None
            assert loads.count == number
        notes.broken = False
        assert not await app.operations.retry("notes", (await app.operations.parked("notes"))[0].key)
        assert await session.execute(GetNote(account_id="bad")) == Note(account_id="bad")
        await app.settle()
        assert await app.execute(GetNote(account_id="bad")) == Note(account_id="bad")


async def test_a_load_that_lacks_an_event_with_a_pending_retry_serves_no_session(store: CacheStore) -> None:
    """A load that began while an event had a pending retry does not serve the session that wrote the event."""
    loads, notes = Loads(), Notes()
    async with bank(store, None, notes.router(loads, attempts=1000)) as app:
        session = app.session()
        await session.dispatch(Open(account_id="bad"))
        await set_aside(app)
        loads.hold()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(app.execute, GetNote(account_id="bad"))
            await loads.began.wait()
            held = loads.pass_by()
            notes.broken = False
            tasks.start_soon(released_after, held, 5.0)
            assert await session.execute(GetNote(account_id="bad")) == Note(account_id="bad")
            held.set()


async def released_after(held: anyio.Event, seconds: float) -> None:
    """Let loads continue after a while, so that a waiting session gets a wrong answer instead of none."""
    with anyio.move_on_after(seconds):
        await held.wait()
    held.set()


async def test_sessions_that_need_the_same_load_once(store: CacheStore) -> None:
    """If the cached answer is too old for two hundred sessions, one load serves all of them."""
    loads = Loads()
    async with bank(store, loads) as app:
        await app.dispatch(Open(account_id="a"))
        await app.settle()
        await app.execute(GetCached(account_id="a"))
        token = app.session().token
        session = app.session()
        await session.dispatch(Open(account_id="another"))  # it ends no answer of "a"
        token = session.token
        await app.settle()
        loads.count = 0
        loads.hold()

        async def ask() -> None:
            assert await app.execute(GetCached(account_id="a"), after=token) == balance(0)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(app.execute, GetCached(account_id="a"))
            for _ in range(200):
                tasks.start_soon(ask)
            await loads.began.wait()
            await anyio.wait_all_tasks_blocked()
            loads.go.set()
        assert loads.count == 1


@pytest.mark.parametrize("kind", ["memory-asyncio", "memory-trio"])
async def test_sessions_share_loads_while_an_event_is_parked(kind: str) -> None:
    """While an event is parked nothing is cached.

    Callers that arrive before a load reads the read models still share it.
    """
    loads, notes, cache = Loads(), Notes(), Held()
    async with bank(cache, None, notes.router(loads, attempts=1)) as app:
        await app.dispatch(Open(account_id="bad"))
        await set_aside(app)
        session = app.session()
        await session.dispatch(Open(account_id="good"))
        await app.settle()

        async def ask() -> None:
            found = await app.execute(GetNote(account_id="good"), after=session.token)
            assert found == Note(account_id="good")

        async with anyio.create_task_group() as tasks:
            for _ in range(50):
                tasks.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            cache.go.set()
        assert loads.count == 1


async def test_the_needed_position_of_a_session_ends_with_its_query(store: CacheStore) -> None:
    """The position that a session needs does not apply to later queries of the same task outside of the session."""
    loads = Loads()
    async with bank(store, loads) as app:
        await app.dispatch(Open(account_id="a"))
        await app.settle()
        await app.execute(GetCached(account_id="a"))
        session = app.session()
        await session.dispatch(Open(account_id="b"))  # it ends no answer of "a"
        await app.settle()
        await session.execute(GetCached(account_id="b"))
        loads.count = 0
        assert await app.execute(GetCached(account_id="a")) == balance(0)
        assert loads.count == 0
        assert await session.execute(GetCached(account_id="a")) == balance(0)
        assert loads.count == 1


async def test_a_live_query_is_not_answered_from_an_older_answer(store: CacheStore) -> None:
    """A live query sees each change of a cached answer, although the answer is invalidated after the rows have changed."""
    async with bank(store) as app, aclosing(app.subscribe(GetCached(account_id="a"))) as answers:
        assert await anext(answers) is None
        await app.dispatch(Open(account_id="a"))
        for amount in range(5):
            with in_time():
                assert await anext(answers) == Balance(account_id="a", balance=Decimal(amount))
            await app.dispatch(Deposit(account_id="a", amount=Decimal(1)))
