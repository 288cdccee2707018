"""A default engine behind PgBouncer, which gives each transaction another session of the server."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator

import anyio
import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tests.adapters.sqlalchemy.postgresql_lab import Lab, lab_at, put
from tests.servers.pgbouncer import installed, pgbouncer
from tests.servers.process import PrivateServer
from twofold.errors import ConfigurationError
from twofold.testing.conformance._domain.audit import audited, auditing, deposits, running, settled
from twofold_sqlalchemy import SqlAlchemy

ACCOUNTS = [f"account{number}" for number in range(12)]

SETTING = "SELECT setting FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout'"
LISTENING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"


@pytest.fixture(params=["transaction", "session"])
def pooler(request: pytest.FixtureRequest, postgresql_url: str) -> Iterator[PrivateServer]:
    """Start PgBouncer in front of an empty database, with few sessions in transaction mode."""
    if not installed():
        pytest.skip("no connection pooler: pgbouncer is not installed")
    server = pgbouncer(postgresql_url, request.param, sessions=3 if request.param == "transaction" else 40)
    yield server
    server.remove()


@pytest.fixture
async def engine(pooler: PrivateServer) -> AsyncIterator[AsyncEngine]:
    """An engine without any settings."""
    engine = create_async_engine(pooler.url)
    yield engine
    await engine.dispose()


@pytest.fixture
async def direct(postgresql_url: str) -> AsyncIterator[Lab]:
    """The database without the pooler."""
    async with lab_at(postgresql_url) as lab:
        yield lab


async def test_an_application_works_through_a_pooler(engine: AsyncEngine) -> None:
    """Concurrent commands, subscriptions and leases succeed, although many connections share few sessions."""
    async with running(SqlAlchemy(engine), auditing()) as app, anyio.create_task_group() as tasks:
        for account in ACCOUNTS:
            tasks.start_soon(deposits, app, account)
    async with running(SqlAlchemy(engine), auditing()) as app:
        await settled(app)
        assert await audited(app, *ACCOUNTS) == dict.fromkeys(ACCOUNTS, ("opened", "1"))
        assert (await app.health()).problems == ()


async def test_an_engine_that_was_used_before(engine: AsyncEngine) -> None:
    """Connections that the pool had opened before the store was created are replaced."""
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
    store = SqlAlchemy(engine)
    await store.create_schema([])
    for number in range(10):
        await put(store, f"s-{number}")
    assert await store.log.head() == 10


async def test_an_engine_with_its_own_creator(pooler: PrivateServer) -> None:
    """It is refused at the first use, with the settings that a pooler needs, instead of failing now and then."""
    dsn = pooler.url.replace("+asyncpg", "")
    engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(dsn))
    with pytest.raises(
        ConfigurationError, match=r"statement_cache_size=0, prepared_statement_cache_size=0 and prepared_"
    ):
        await SqlAlchemy(engine).open([])
    await engine.dispose()


async def test_the_idle_timeout_stays_in_its_transaction(engine: AsyncEngine, direct: Lab) -> None:
    """The timeout applies to every transaction of the store, and is not left in a session for other clients."""
    store = SqlAlchemy(engine, idle_transaction_timeout=7)
    for _ in range(5):
        transaction = await store.begin()
        found = await transaction._transaction.use(lambda connection: connection.exec_driver_sql(SETTING), "ask")
        assert found.scalar_one() == "7000"
        await transaction.rollback()
    own = create_async_engine(engine.url)
    async with own.connect() as connection:
        assert (await connection.execute(text(SETTING))).scalar_one() == await direct.ask(SETTING)
    await own.dispose()


async def test_nobody_listens_through_a_pooler(
    engine: AsyncEngine, direct: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    """Readers poll, one log line reports this, and no session keeps a LISTEN."""
    store = SqlAlchemy(engine)
    await store.create_schema([])
    with caplog.at_level(logging.INFO, "twofold.notifications"):
        for _ in range(2):
            await store.log.watch(lambda origin: None)
    assert [record.getMessage()[:53] for record in caplog.records] == [
        "The engine connects through a connection pooler, whic"
    ]
    assert await direct.ask(LISTENING) == 0
