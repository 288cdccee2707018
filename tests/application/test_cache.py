"""Cached answers in an application: never older than what the session wrote, loaded once, and never in the way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal

import anyio
import anyio.lowlevel
import pytest

from tests.caches import CACHES, open_cache
from tests.servers.redis import Redis as RedisServer
from tests.stores import event_loop_of
from twofold import (
    Application,
    Cache,
    CacheStats,
    Envelope,
    Event,
    Module,
    Query,
    QueryBus,
    ReadModel,
    Retry,
    Session,
    View,
    on,
)
from twofold._cache_keys import can_meet, shape_of_key
from twofold.errors import DispatchCycle, NotAuthorised, TransientFailure, WiringError
from twofold.ports import Cached, CacheLease, CacheStore, Position
from twofold.testing.conformance._bank import Balance, Deposit, Deposited, Open, Opened
from twofold.testing.conformance._bank import bank as bank_module
from twofold_memory import InMemory, InMemoryCache


class GetCached(Query["Balance | None"]):
    account_id: str


class Broken(Query[int]):
    pass


class Note(View, name="note", key="account_id"):
    account_id: str


class GetNote(Query["Note | None"]):
    account_id: str


class GetTenant(Query["str | None"]):
    account_id: str
    place: str = ""


KEY = "balance:{account_id}"
CACHED = Cache(ttl=60, key=KEY, invalidated_by={Opened: KEY, Deposited: KEY})


@pytest.fixture(params=CACHES)
def kind(request: pytest.FixtureRequest) -> str:
    """Name the cache of a test."""
    return str(request.param)


@pytest.fixture
def anyio_backend(kind: str) -> str:
    """Run the test on the event loop that goes with the cache."""
    return event_loop_of(kind)


@pytest.fixture
async def store(kind: str, request: pytest.FixtureRequest) -> AsyncIterator[CacheStore]:
    """Give an empty cache."""
    async with open_cache(kind, request) as cache:
        yield cache


class Loads:
    """Counts loads, and lets a test hold them."""

    def __init__(self) -> None:
        self.count = 0
        self.go = anyio.Event()
        self.go.set()
        self.began = anyio.Event()
        self.error: Exception | None = None

    def hold(self) -> None:
        """Let the next loads wait."""
        self.go, self.began = anyio.Event(), anyio.Event()

    async def load(self) -> None:
        """Be called by each load."""
        self.count += 1
        self.began.set()
        await self.go.wait()
        if self.error is not None:
            raise self.error


@asynccontextmanager
async def bank(
    cache: CacheStore | None, loads: Loads | None = None, *, write: InMemory | None = None, cached: Cache = CACHED
) -> AsyncIterator[Application]:
    """Run the bank with a cached balance."""
    app = Application("bank", write=write or InMemory(), cache=cache)
    module = Module("cached")
    counted = loads or Loads()

    @module.query_handler(GetCached, cache=cached)
    async def get_cached(query: GetCached, balances: ReadModel[Balance]) -> Balance | None:
        found = await balances.get(query.account_id)
        await counted.load()
        return found

    for each in (bank_module, module):
        app.include(each)
    with anyio.fail_after(30):
        async with app:
            yield app


def balance(amount: int) -> Balance:
    """Return the row of the account."""
    return Balance(account_id="a", balance=Decimal(amount))


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
        stats = app.cache_stats()
        assert (stats.hits, stats.misses, stats.fills, stats.failures) == (4, 2, 2, 0)


async def test_sessions_read_their_own_writes_through_the_cache(store: CacheStore) -> None:
    """Every query after a command sees it, though others keep filling the cache with what was before."""
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
        assert app.cache_stats().refused == 1
        assert await app.execute(GetCached(account_id="a")) == balance(5)


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
            await anyio.wait_all_tasks_blocked() if not loads.go.is_set() else None
            loads.go.set()
        assert answers == [balance(0)] * 1000
        assert loads.count == 1
        assert app.cache_stats() == CacheStats(misses=1, fills=1)


async def test_who_waits_and_goes_takes_nobody_along(store: CacheStore) -> None:
    """When the one that loads is cancelled, another loads; the others get their answers."""
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
            first.cancel()
            loads.go.set()
        assert answers == [balance(0)] * 5


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


async def test_who_needs_more_does_not_wait_for_less(store: CacheStore) -> None:
    """A session that wrote after a load had begun gets an answer of its own, while that load is still held."""
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
            held, loads.go = loads.go, anyio.Event()
            loads.go.set()
            session = app.session()
            await session.dispatch(Deposit(account_id="a", amount=Decimal(5)))
            assert await session.execute(GetCached(account_id="a")) == balance(5)
            assert early == []
            held.set()
        assert early == [balance(0)]
        assert await app.execute(GetCached(account_id="a")) == balance(5)


async def test_an_answer_that_lacks_a_parked_event_is_not_kept(store: CacheStore) -> None:
    """While a projection has set events aside its answers are loaded each time; retried, the event is in the next one."""
    loads, broken = Loads(), True
    app = Application("bank", write=InMemory(), cache=store)
    app.include(bank_module)

    @app.projection("notes", retry=Retry(attempts=1))
    class Notes:
        def __init__(self, notes: ReadModel[Note]) -> None:
            self.notes = notes

        @on(Opened)
        async def opened(self, event: Opened) -> None:
            if broken and event.account_id == "bad":
                raise ValueError("on purpose")
            await self.notes.put(Note(account_id=event.account_id))

    @app.query_handler(
        GetNote, cache=Cache(ttl=60, key="{account_id}", negative_ttl=60, invalidated_by={Opened: "{account_id}"})
    )
    async def get_note(query: GetNote, notes: ReadModel[Note]) -> Note | None:
        await loads.load()
        return await notes.get(query.account_id)

    with anyio.fail_after(30):
        async with app:
            session = app.session()
            await session.dispatch(Open(account_id="bad"))
            while not await app.parked("notes"):  # noqa: ASYNC110 -- it is asked, it does not tell
                await anyio.sleep(0.01)
            for number in range(1, 4):
                assert await app.execute(GetNote(account_id="bad")) is None
                assert loads.count == number
            broken = False
            assert not await app.retry("notes", (await app.parked("notes"))[0].key)
            assert await session.execute(GetNote(account_id="bad")) == Note(account_id="bad")
            await app.settle()
            assert await app.execute(GetNote(account_id="bad")) == Note(account_id="bad")


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


async def test_tenants_do_not_meet(store: CacheStore) -> None:
    """Equal queries of two tenants are answered by two loads."""
    loads = Loads()
    async with bank(store, loads) as app:
        await app.dispatch(Open(account_id="a"))
        await app.settle()
        for tenant in ("north", "south", None):
            async with app.session(tenant=tenant) as session:
                await session.execute(GetCached(account_id="a"))
                await session.execute(GetCached(account_id="a"))
        assert loads.count == 3


class Slow(InMemoryCache):
    """A cache that is away."""

    def __init__(self) -> None:
        super().__init__()
        self.away = True
        self.calls = 0

    async def lookup(self, key: str, *, at_least: Position | None = None) -> Cached | CacheLease:
        self.calls += 1
        if self.away:
            await anyio.sleep(0.05)
            raise TransientFailure("the cache is away")
        return await super().lookup(key, at_least=at_least)

    async def invalidate(self, keys: Sequence[str]) -> None:
        if self.away:
            raise TransientFailure("the cache is away")
        await super().invalidate(keys)


@pytest.mark.parametrize("kind", ["memory-asyncio", "memory-trio"])
async def test_a_cache_that_hangs_slows_queries_for_a_moment(kind: str) -> None:
    """The first waits a little, the next do not ask; nobody fails; what was to be invalidated waits for its return."""
    cache = Slow()
    async with bank(cache) as app:
        await app.dispatch(Open(account_id="a"))
        for _ in range(20):
            assert await app.execute(GetCached(account_id="a"), timeout=5, after=None) in (balance(0), None)
        assert cache.calls == 1
        assert app.cache_stats() == CacheStats(failures=1)
        while (await app.health()).healthy:  # noqa: ASYNC110 -- health is asked, it does not tell
            await anyio.sleep(0.01)
        cache.away = False
        await app.settle()
        assert (await app.health()).healthy


@pytest.mark.parametrize("kind", ["memory-asyncio"])
async def test_a_redis_that_dies_slows_queries_and_fails_none(kind: str) -> None:
    """Killed in the middle and started again: queries are answered throughout, and then by the cache again."""
    from redis.asyncio import Redis

    from twofold_redis import RedisCache

    if not RedisServer().installed():
        pytest.skip(f"needs {RedisServer.programs} to kill one")
    server = RedisServer().private()
    try:
        async with Redis.from_url(server.url) as client, bank(RedisCache(client)) as app:
            session = app.session()
            await session.dispatch(Open(account_id="a"))
            for number in range(1, 31):
                if number == 10:
                    server.kill()
                if number == 15:
                    server.start()
                if number == 20:
                    await client.client_pause(1500)
                await session.dispatch(Deposit(account_id="a", amount=Decimal(1)))
                assert await session.execute(GetCached(account_id="a")) == balance(number)
            await app.settle()
            assert app.cache_stats().failures >= 1
            hits = app.cache_stats().hits
            while app.cache_stats().hits == hits:
                assert await session.execute(GetCached(account_id="a")) == balance(30)
                await anyio.sleep(0.05)
    finally:
        server.remove()


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
        assert "cache: the answer that is kept under 'balance:{account_id}', for 60 s" in app.explain(GetCached)


async def test_without_a_cache_every_question_is_loaded() -> None:
    """The same application runs without one."""
    loads = Loads()
    async with bank(None, loads) as app:
        await app.dispatch(Open(account_id="a"))
        await app.settle()
        for number in range(1, 4):
            assert await app.execute(GetCached(account_id="a")) == balance(0)
            assert loads.count == number
        assert app.cache_stats() == CacheStats()


def test_a_cache_that_cannot_be_is_found() -> None:
    """check() finds unknown fields, times that are none, answers without JSON and streams, with file and line."""

    class Counted(Query[AsyncIterator[int]]):
        pass

    app = Application("bank", write=InMemory())

    @app.query_handler(GetCached, cache=Cache(ttl=0, key="a:{account}", invalidated_by={Opened: "a:{id}"}, jitter=1))
    async def get_cached(query: GetCached) -> Balance | None:
        return None

    @app.query_handler(Broken, cache=Cache(ttl=1, key="a:{", negative_ttl=-1))
    async def broken(query: Broken) -> int:
        return 1

    @app.query_handler(Counted, cache=Cache(ttl=1, key="counted"))
    async def counted(query: Counted) -> AsyncIterator[int]:
        yield 1

    with pytest.raises(WiringError) as raised:
        app.check()
    text = str(raised.value)
    for part in (
        "'account', which is not a field of GetCached",
        "'id', which is not a field of Opened",
        "the cache of GetCached keeps answers for no time",
        "jitter=1",
        "the key 'a:{' cannot be read",
        "the cache of Broken keeps answers for no time",
        "Counted answers with a stream",
    ):
        assert part in text
    assert text.count(f"{__file__}:") == len(raised.value.faults) == 7


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ("a:{x}", "a:{y}", True),
        ("a:{x}", "b:{x}", False),
        ("a:{x}", "ab:{x}", False),
        ("a{x}", "ab{y}", True),
        ("{x}:{y}", "{x}", False),
        ("{x}{y}", "{x}", True),
        ("{x}b", "a{x}", True),
        ("a:{x}", "a:1", True),
        ("a:{x}", "a:1:2", False),
        ("all", "all", True),
        ("all", "al", False),
        ("", "{x}", True),
        ("a{{{x}", "a{{1", True),
    ],
)
def test_keys_that_can_be_equal(one: str, other: str, meet: bool) -> None:
    """Two keys can be equal when their fixed parts can; what stands in a field has no colon."""
    assert can_meet(shape_of_key(one), shape_of_key(other)) is can_meet(shape_of_key(other), shape_of_key(one)) is meet


def test_what_invalidates_nothing_is_found() -> None:
    """Keys that are never equal, and events that change no row that the query reads."""
    app = Application("bank", write=InMemory())
    app.include(bank_module)

    class Notes:
        def __init__(self, notes: ReadModel[Note]) -> None:
            self.notes = notes

        @on(Opened)
        async def opened(self, event: Opened) -> None: ...

    app.projection("notes")(Notes)
    events: dict[type[Event], str] = {Opened: "note:{account_id}", Deposited: "notes:{account_id}"}

    @app.query_handler(GetNote, cache=Cache(ttl=1, key="notes:{account_id}", invalidated_by=events))
    async def get_note(query: GetNote, notes: ReadModel[Note]) -> Note | None:
        return None

    with pytest.raises(WiringError) as raised:
        app.check()
    text = str(raised.value)
    assert len(raised.value.faults) == 2
    assert (
        "Opened invalidates 'note:{account_id}', and the answers of GetNote are kept under 'notes:{account_id}'" in text
    )
    assert (
        "Deposited invalidates the answers of GetNote, and no projection that it reads takes this event (notes)" in text
    )


@asynccontextmanager
async def telling_tenants(store: CacheStore, key: str = "{account_id}") -> AsyncIterator[Application]:
    """Run an application whose answers are the tenants for whom they were loaded."""
    app = Application("bank", write=InMemory(), cache=store)
    app.include(bank_module)

    @app.query_handler(GetTenant, cache=Cache(ttl=60, key=key))
    async def get_tenant(query: GetTenant, envelope: Envelope[GetTenant]) -> str | None:
        return f"{envelope.tenant} {query.account_id} {query.place}"

    seen: list[str | None] = []

    @app.reaction(Opened, name="ask")
    async def ask(event: Opened, session: Session) -> None:
        seen.append(await session.execute(GetTenant(account_id=event.account_id)))

    with anyio.fail_after(30):
        async with app:
            yield app
            await app.settle()
            assert all(each is not None and each.startswith("north") for each in seen)


async def test_answers_belong_to_the_tenant_for_whom_they_were_loaded(store: CacheStore) -> None:
    """Asked in a session, without one, and in a reaction: nobody gets what was loaded for another."""
    async with telling_tenants(store) as app:
        async with app.session(tenant="north") as north:
            await north.dispatch(Open(account_id="a"))
            await app.settle()
            for _ in range(2):
                assert await north.execute(GetTenant(account_id="a")) == "north a "
        for _ in range(2):
            assert await app.execute(GetTenant(account_id="a")) == "None a "
            assert await app.session().execute(GetTenant(account_id="a")) == "None a "
            assert await app.session(tenant="/").execute(GetTenant(account_id="a")) == "/ a "


async def test_fields_are_not_taken_for_what_stands_between_them(store: CacheStore) -> None:
    """Two fields with the separator in them make no other key."""
    async with telling_tenants(store, "{account_id}:{place}") as app:
        assert await app.execute(GetTenant(account_id="a:b", place="c")) == "None a:b c"
        assert await app.execute(GetTenant(account_id="a", place="b:c")) == "None a b:c"
        assert await app.execute(GetTenant(account_id="a%3Ab", place="c")) == "None a%3Ab c"


async def test_what_cannot_be_read_is_loaded(store: CacheStore) -> None:
    """Somebody has written something else into the cache: the query is answered, and the failure is counted."""

    class Spoilt(InMemoryCache):
        async def lookup(self, key: str, *, at_least: Position | None = None) -> Cached | CacheLease:
            return Cached("{", Position(2**62), "log")

    async with bank(Spoilt()) as app:
        session = app.session()
        await session.dispatch(Open(account_id="a"))
        assert await session.execute(GetCached(account_id="a")) == balance(0)
        assert app.cache_stats().failures == 1


async def test_a_query_that_asks_for_itself_is_told(store: CacheStore) -> None:
    """It would wait for its own answer for ever."""
    app = Application("bank", write=InMemory(), cache=store)

    @app.query_handler(GetNote, cache=Cache(ttl=60, key="{account_id}"))
    async def get_note(query: GetNote, queries: QueryBus) -> Note | None:
        return await queries.execute(query)

    with anyio.fail_after(10):
        async with app:
            with pytest.raises(DispatchCycle):
                await app.execute(GetNote(account_id="a"))
