"""A replica of Redis is promoted that lacks the last writes: rows are read forward again, and relayed events arrive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from typing import TypeVar

import anyio
import pytest
from redis.asyncio import Redis as Client

from tests.domains.shops import GetParcel, Sell, selling, shipping
from tests.failover.redis_pair import RedisPair, redis_pair
from tests.servers.proxy import Proxy
from tests.servers.redis import Redis as Server
from twofold import Application, Router, Session
from twofold._integration.relay import progress_topic
from twofold.errors import ReadNotReady, TransientFailure
from twofold.ports import WriteStore
from twofold.testing.conformance._domain.audit import GetAudit, auditing
from twofold.testing.conformance._domain.bank import Balance, Deposit, GetBalance, Open, bank
from twofold.testing.conformance._tools.in_time import CEILING, WHOLE_TEST, in_time, until
from twofold_memory import InMemory
from twofold_redis import Redis, RedisStreams
from twofold_redis._server.lua import SURE

T = TypeVar("T")

ACCOUNTS = 20
"""The number of accounts that are opened in each phase."""

STREAMS = 8
"""The number of streams of a transport, unless it is set."""

LOST = 25
"""The number of sales that the stream of the replica lacks."""


@pytest.fixture
def anyio_backend() -> str:
    """Run on asyncio; the driver supports no other loop."""
    return "asyncio"


@pytest.fixture
def pair() -> Iterator[RedisPair]:
    """Start a primary and a replica."""
    if not Server().installed():
        pytest.skip("no replication lab: redis-server is not installed")
    with redis_pair() as found:
        yield found


@asynccontextmanager
async def serving(write: WriteStore, url: str, audit: Router | None = None) -> AsyncIterator[Application]:
    """Run the bank with its read models in Redis."""
    async with Client.from_url(url) as client:
        app = Application("bank", write=write, read=Redis(client), lease=0.5)
        for router in (bank, audit or auditing()):
            app.include(router)
        with in_time(WHOLE_TEST):
            async with app:
                yield app


async def switched(pair: RedisPair, proxy: Proxy) -> None:
    """Let the primary die, and connect clients to the replica, which takes longer than a run id is trusted."""
    await anyio.to_thread.run_sync(pair.promote)
    died = asyncio.get_running_loop().time()
    await until(lambda: asyncio.get_running_loop().time() > died + SURE, "a failover was to take a moment")
    proxy.lead_to(pair.replica.url)


async def answered(ask: Callable[[], Awaitable[T]]) -> T:
    """Return the answer to a query, repeated while connections to the old server fail."""
    found: list[T] = []

    async def done() -> bool:
        with suppress(TransientFailure):
            found.append(await ask())
        return bool(found)

    await until(done, "a query was to be answered")
    return found[0]


async def opened(app: Application, name: str) -> dict[str, str]:
    """Open accounts with a deposit of 1; return the token of the session of each."""
    tokens: dict[str, str] = {}
    for number in range(ACCOUNTS):
        async with app.session() as session:
            account = f"{name}{number}"
            await session.dispatch(Open(account_id=account))
            await session.dispatch(Deposit(account_id=account, amount=Decimal(1)))
            tokens[account] = session.token
    return tokens


async def seen(app: Application, tokens: dict[str, str]) -> None:
    """Check that a session with the token of each account sees its deposit, and no older row."""
    for account, token in tokens.items():
        row = await answered(lambda: app.session(token).execute(GetBalance(account_id=account), timeout=CEILING))  # noqa: B023 -- awaited immediately
        assert row == Balance(account_id=account, balance=Decimal(1))


@pytest.mark.parametrize("restarted", [False, True], ids=["live", "restarted"])
async def test_rows_are_read_forward_again(pair: RedisPair, restarted: bool) -> None:
    """No session sees an older row than its token says. In the end each event counts once in the rows."""
    write, proxy = InMemory(), Proxy(pair.primary.url)
    async with proxy.running():
        async with serving(write, proxy.url) as app:
            tokens = await opened(app, "kept")
            await app.settle(timeout=CEILING)
            await anyio.to_thread.run_sync(pair.await_replica)
            await anyio.to_thread.run_sync(pair.cut)
            tokens |= await opened(app, "lost")
            await app.settle(timeout=CEILING)
            if not restarted:
                await switched(pair, proxy)
                await checked(app, tokens)
        if restarted:
            await switched(pair, proxy)
            async with serving(write, proxy.url) as app:
                await checked(app, tokens)


async def test_a_session_sees_no_older_row_before_its_projection_notices(pair: RedisPair) -> None:
    """While the projection is busy, a query of the session waits. It does not rely on a checkpoint that Redis has lost."""
    proxy, held, go_on = Proxy(pair.primary.url), anyio.Event(), anyio.Event()
    hold = False

    async def during() -> None:
        if hold:
            held.set()
            await go_on.wait()

    async with proxy.running(), serving(InMemory(), proxy.url, auditing(during=during)) as app:
        await anyio.to_thread.run_sync(pair.await_replica)
        await anyio.to_thread.run_sync(pair.cut)
        session = app.session((await opened(app, "lost"))["lost0"])
        await app.settle(timeout=CEILING)
        hold = True
        await app.dispatch(Open(account_id="busy"))
        await held.wait()
        await switched(pair, proxy)
        assert await answered(lambda: is_refused(session, GetAudit(account_id="lost0")))
        go_on.set()
        row = await answered(lambda: session.execute(GetAudit(account_id="lost0"), timeout=CEILING))
    assert row is not None
    assert row.seen == ("opened", "1")


async def is_refused(session: Session, query: GetAudit) -> bool:
    """Return whether a query is not answered immediately, because its read model lacks writes of the session."""
    try:
        await session.execute(query, timeout=0)
    except ReadNotReady:
        return True
    return False


async def checked(app: Application, tokens: dict[str, str]) -> None:
    """Check earlier tokens and new sessions, then all rows."""
    await seen(app, tokens)
    tokens |= await opened(app, "new")
    await seen(app, tokens)
    await app.settle(timeout=CEILING)
    for account in tokens:
        row = await app.execute(GetAudit(account_id=account))
        assert row is not None
        assert row.seen == ("opened", "1")
    assert (await app.health()).healthy


@pytest.mark.parametrize("restarted", [False, True], ids=["live", "restarted"])
async def test_lost_entries_are_relayed_again(pair: RedisPair, restarted: bool) -> None:
    """Events that Redis confirmed and lost are published again, and arrive once and in order."""
    here, there, proxy = InMemory(), InMemory(), Proxy(pair.primary.url)
    async with proxy.running(), Client.from_url(proxy.url) as client:
        broker = Redis(client).streams(idle=0.5)
        async with shipping(there, broker) as depot, selling(here, broker) as shop:
            await shop.dispatch(Sell(order_id="a", number=5))
            await until(lambda: received(depot, 5), "the first sales were to arrive")
            await until(lambda: marked(broker), "the relay was to mark every stream")
        await anyio.to_thread.run_sync(pair.await_replica)
        await anyio.to_thread.run_sync(pair.cut)
        async with selling(here, broker) as shop:
            await shop.dispatch(Sell(order_id="a", number=LOST))
            await shop.settle(timeout=CEILING)
            if not restarted:
                await switched(pair, proxy)
                await arrived(shop, there, broker)
        if restarted:
            await switched(pair, proxy)
            async with selling(here, broker) as shop:
                await arrived(shop, there, broker)


async def arrived(shop: Application, there: WriteStore, broker: object) -> None:
    """Check that the depot receives all sales, and sees what a token of the shop stands for."""
    async with shipping(there, broker) as depot, shop.session() as session:  # type: ignore[arg-type]
        await session.dispatch(Sell(order_id="a"))
        parcel = await answered(lambda: depot.session(session.token).execute(GetParcel(order_id="a"), timeout=CEILING))
        assert parcel is not None
        assert parcel.numbers == tuple(range(1, 5 + LOST + 2))
        assert (await shop.health()).healthy


async def marked(broker: RedisStreams) -> bool:
    """Return whether every stream has a checkpoint of the relay."""
    return len(await broker.publisher.kept(progress_topic("shop"))) == STREAMS


async def received(depot: Application, number: int) -> bool:
    """Return whether the depot has this number of sales."""
    parcel = await depot.execute(GetParcel(order_id="a"))
    return parcel is not None and len(parcel.numbers) == number
