"""A Redis that loses something loses rows and checkpoints alike: projections read forward again, by themselves."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from redis.asyncio import Redis as Client

from tests.servers.process import PrivateServer
from twofold import Application
from twofold.errors import ConfigurationError, TransientFailure
from twofold.ports import Checkpoint, Position, RowChange, WriteStore
from twofold.testing.conformance._domain.audit import Audit, DepositEach, GetAudit, auditing
from twofold.testing.conformance._domain.bank import Deposit, Open, bank
from twofold.testing.conformance._tools.in_time import until
from twofold.testing.conformance._tools.watched import READ, watched
from twofold_memory import InMemory
from twofold_redis import Redis

AMOUNTS = tuple(range(1, 21))
ALL = Audit(account_id="a", seen=("opened", *map(str, AMOUNTS)))


@asynccontextmanager
async def running(client: Client, write: WriteStore, *, partitions: int = 1) -> AsyncIterator[Application]:
    """Run the bank with its read models in Redis."""
    app = Application("bank", write=write, read=Redis(client), lease=0.5)
    for module in (bank, auditing(partitions=partitions)):
        app.include(module)
    async with app:
        yield app


async def found(app: Application, expected: Audit) -> None:
    """Return once a query finds the expected rows."""
    seen: Audit | None = None

    async def it_is_there() -> bool:
        nonlocal seen
        with suppress(TransientFailure):
            seen = await app.execute(GetAudit(account_id="a"))
        return seen == expected

    await until(it_is_there, lambda: f"{expected} was to be found, not {seen}")


@pytest.mark.parametrize("partitions", [1, 3])
async def test_everything_is_lost(server: PrivateServer, partitions: int) -> None:
    """After FLUSHALL the rows are there again, although nothing happens that would wake the projection."""
    async with Client.from_url(server.url) as client, running(client, InMemory(), partitions=partitions) as app:
        await app.dispatch(Open(account_id="a"))
        await app.dispatch(DepositEach(account_id="a", amounts=AMOUNTS))
        await app.settle()
        await client.flushall()
        assert await app.execute(GetAudit(account_id="a")) is None
        await found(app, ALL)


async def test_an_older_copy(server: PrivateServer) -> None:
    """Rows of a server that returns with older data are read forward, even without new events."""
    files, copy = server.folder / "appendonlydir", server.folder / "copy"
    reading = anyio.Event()
    reading.set()

    async def hold(point: str, about: str) -> None:
        if point == READ:
            await reading.wait()

    write = watched(InMemory(), hold)
    async with Client.from_url(server.url) as client, running(client, write) as app:
        await app.dispatch(Open(account_id="a"))
        await app.dispatch(DepositEach(account_id="a", amounts=AMOUNTS[:10]))
        await app.settle()
        server.stop()
        _copied(files, copy)
        server.start()
        await app.dispatch(DepositEach(account_id="a", amounts=AMOUNTS[10:]))
        await found(app, ALL)
        reading = anyio.Event()
        server.stop()
        shutil.rmtree(files)
        _copied(copy, files)
        server.start()
        assert await _soon(app) == Audit(account_id="a", seen=ALL.seen[:11]), "the copy is older"
        reading.set()
        await found(app, ALL)


async def test_a_server_killed_under_load(server: PrivateServer) -> None:
    """A server is killed repeatedly under load and loses data. In the end each event is in its row once, in order."""
    write = InMemory()
    async with Client.from_url(server.url) as client, running(client, write) as app:
        await app.dispatch(Open(account_id="a"))
        amounts: list[str] = []
        for kill in range(3):
            for _ in range(40):
                await app.dispatch(Deposit(account_id="a", amount=Decimal(len(amounts) + 1)))
                amounts.append(str(len(amounts) + 1))
            if kill < 2:
                server.kill()
                server.start()
        await found(app, Audit(account_id="a", seen=("opened", *amounts)))


async def test_a_server_that_is_away_is_no_failure_of_an_event(server: PrivateServer) -> None:
    """While Redis is unavailable no event is parked. The projection resumes when Redis returns."""
    async with Client.from_url(server.url) as client, running(client, InMemory()) as app:
        await app.dispatch(Open(account_id="a"))
        await app.settle()
        server.stop()
        await app.dispatch(DepositEach(account_id="a", amounts=AMOUNTS))
        with pytest.raises(TransientFailure):
            await app.execute(GetAudit(account_id="a"))
        server.start()
        await found(app, ALL)
        assert await app.operations.parked("audit") == []


async def test_a_server_that_evicts_is_refused(server: PrivateServer) -> None:
    """A Redis that evicts keys when its memory is full is refused; one that refuses writes is accepted."""
    async with Client.from_url(server.url) as client:
        await client.config_set("maxmemory", "100mb")
        for policy in ("allkeys-lru", "allkeys-random"):
            await client.config_set("maxmemory-policy", policy)
            with pytest.raises(ConfigurationError, match="noeviction"):
                await Redis(client).open([])
        for policy in ("noeviction", "volatile-lru"):
            await client.config_set("maxmemory-policy", policy)
            await Redis(client).open([])


async def test_full_memory_changes_nothing(server: PrivateServer) -> None:
    """A commit without enough memory is refused completely, and succeeds later."""
    async with Client.from_url(server.url) as client:
        await client.config_set("maxmemory", "1")
        store = Redis(client)
        with pytest.raises(TransientFailure, match="maxmemory"):
            await _audited(store)
        await client.config_set("maxmemory", "0")
        assert await client.dbsize() == 0
        await _audited(store)


async def _audited(store: Redis) -> None:
    transaction = await store.begin()
    await transaction.rows(Audit).write([RowChange("a", ALL, Position(1))])
    await transaction.checkpoints.advance("audit", expected=None, to=Checkpoint(Position(1), "log"))
    await transaction.commit()


async def _soon(app: Application) -> Audit | None:
    """Return the first answer after the server was unavailable."""
    while True:
        try:
            return await app.execute(GetAudit(account_id="a"))
        except TransientFailure:
            await anyio.lowlevel.checkpoint()


def _copied(source: Path, target: Path) -> None:
    """Copy a folder with its owner."""
    shutil.copytree(source, target)
    for path in (source, *source.rglob("*")):
        shutil.chown(target / path.relative_to(source), path.owner(), path.group())
