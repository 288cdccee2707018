"""A write store and a read store that are different databases: checkpoints live with their rows."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import anyio
import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from tests.stores import read_stores, stores
from twofold import Application, Event, Router
from twofold.errors import ForeignLog
from twofold.ports import ReadStore, RowChange, WriteStore
from twofold.testing.conformance._domain.audit import Audit, DepositEach, GetAudit, auditing, stop_at_once
from twofold.testing.conformance._domain.bank import Balance, Deposit, Deposited, GetBalance, Open, bank
from twofold.testing.conformance._tools.in_time import CEILING, in_time
from twofold.testing.conformance._tools.watched import AROUND_A_CHECKPOINT, watched
from twofold_sqlalchemy import SqlAlchemy

PAIRS = [
    *("memory-asyncio>sqlite", "sqlite>postgresql", "postgresql>mariadb", "mariadb>sqlite", "memory-asyncio>redis"),
    # Each adapter of the following pairs is in a pair above, on the same side.
    *(pytest.param(pair, marks=pytest.mark.everywhere) for pair in ("sqlite>redis", "postgresql>redis")),
    pytest.param("postgresql>postgresql", marks=pytest.mark.everywhere),
]

AMOUNTS = tuple(range(1, 41))
SEEN = ("opened", *map(str, AMOUNTS))


class Pair(NamedTuple):
    """Where an application writes, and where it reads."""

    write: WriteStore
    read: ReadStore


@pytest.fixture
def anyio_backend() -> str:
    """Run on asyncio; the drivers know no other loop."""
    return "asyncio"


@pytest.fixture(params=PAIRS)
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    """Give two empty stores."""
    async with AsyncExitStack() as opened:
        write, read = request.param.split(">")
        yield Pair(
            await opened.enter_async_context(stores(write, request)()),
            await opened.enter_async_context(read_stores(read, request)()),
        )


@asynccontextmanager
async def running(write: WriteStore, read: ReadStore, *routers: Router) -> AsyncIterator[Application]:
    """Run the bank on two stores, and fail instead of hanging."""
    app = Application("bank", write=write, read=read, lease=0.3)
    for router in (bank, *(routers or [auditing()])):
        app.include(router)
    await app.create_schema()
    with in_time():
        async with app:
            yield app


async def test_sessions_read_their_own_writes(pair: Pair) -> None:
    """Every query after a command sees it, in several concurrent sessions, and by the token in another application."""
    async with running(*pair) as app, running(*pair) as other:

        async def customer(account: str) -> None:
            session = app.session()
            await session.dispatch(Open(account_id=account))
            for number in range(1, 6):
                await session.dispatch(Deposit(account_id=account, amount=Decimal(1)))
                expected = Balance(account_id=account, balance=Decimal(number))
                assert await session.execute(GetBalance(account_id=account), timeout=CEILING) == expected
                there = other.session(session.token)
                assert await there.execute(GetBalance(account_id=account), timeout=CEILING) == expected

        async with anyio.create_task_group() as customers:
            for number in range(3):
                customers.start_soon(customer, f"a{number}")


async def test_checkpoints_are_stored_with_their_effects(pair: Pair) -> None:
    """A projection's checkpoint is in the read store, that of an event handler in the write store."""
    router = Router("watching")

    @router.event_handler(Deposited, name="watch", start="beginning")
    async def watch(event: Event) -> None: ...

    async with running(*pair, auditing(), router) as app:
        await app.dispatch(Open(account_id="a"))
        await app.settle()
        assert [
            await pair.write.subscriptions.checkpoint("audit"),
            await pair.read.subscriptions.checkpoint("watch"),
        ] == [None, None]
        assert await pair.read.subscriptions.checkpoint("audit") is not None
        assert await pair.write.subscriptions.checkpoint("watch") is not None


@pytest.mark.parametrize("point", AROUND_A_CHECKPOINT)
async def test_a_crash_around_the_checkpoint(pair: Pair, point: str) -> None:
    """After any failure around the commit of the read store, each event is in its row once, in order."""
    crashed = anyio.Event()

    async def crash(now: str, about: str) -> None:
        if (now, about) == (point, "audit"):
            crashed.set()
            await anyio.sleep_forever()

    async with running(pair.write, watched(pair.read, crash)) as dying:
        await dying.dispatch(Open(account_id="a"))
        await dying.dispatch(DepositEach(account_id="a", amounts=AMOUNTS))
        await crashed.wait()
        stop_at_once(dying)
    async with running(*pair) as app:
        await app.settle()
        assert await app.execute(GetAudit(account_id="a")) == Audit(account_id="a", seen=SEEN)


async def test_a_rebuild(pair: Pair) -> None:
    """A rebuild restores corrupted rows from the log of the other database."""
    async with running(*pair) as app:
        await app.dispatch(Open(account_id="a"))
        await app.dispatch(DepositEach(account_id="a", amounts=AMOUNTS))
        await app.settle()
        transaction = await pair.read.begin()
        await transaction.rows(Audit).write([RowChange("a", None, await pair.write.log.head())])
        await transaction.commit()
        assert await app.execute(GetAudit(account_id="a")) is None
        await app.operations.rebuild("audit")
        assert await app.execute(GetAudit(account_id="a")) == Audit(account_id="a", seen=SEEN)


async def test_an_older_read_store_is_read_forward(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """A read database that is restored from a backup has its rows and its checkpoint of then, and catches up from there."""
    file, backup = tmp_path / "read.db", tmp_path / "backup.db"
    async with stores("memory-asyncio", request)() as write:
        async with _sqlite(file) as read, running(write, read) as app:
            await app.dispatch(Open(account_id="a"))
            await app.dispatch(DepositEach(account_id="a", amounts=AMOUNTS[:10]))
            await app.settle()
        shutil.copy(file, backup)
        async with _sqlite(file) as read, running(write, read) as app:
            await app.dispatch(DepositEach(account_id="a", amounts=AMOUNTS[10:]))
            await app.settle()
        shutil.copy(backup, file)
        async with _sqlite(file) as read, running(write, read) as app:
            await app.settle()
            assert await app.execute(GetAudit(account_id="a")) == Audit(account_id="a", seen=SEEN)


async def test_a_read_store_of_another_log_is_refused(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Rows of another log are refused. The error names both logs."""
    new_write = stores("memory-asyncio", request)
    async with new_write() as one, new_write() as two, _sqlite(tmp_path / "read.db") as read:
        async with running(one, read) as app:
            await app.dispatch(Open(account_id="a"))
            await app.settle()
        with pytest.raises(ForeignLog, match=f"{await one.log.identity()}.*{await two.log.identity()}"):
            async with running(two, read):
                pass


@asynccontextmanager
async def _sqlite(file: Path) -> AsyncIterator[SqlAlchemy]:
    engine = create_async_engine(f"sqlite+aiosqlite:///{file}")
    try:
        yield SqlAlchemy(engine)
    finally:
        await engine.dispose()
