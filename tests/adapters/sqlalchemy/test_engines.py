"""The arguments of a store: an asyncio engine of a supported database."""

from __future__ import annotations

import gc
import re
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from weakref import ref

import pytest
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from tests.servers.choice import runnable
from twofold import Application
from twofold.errors import AggregateNotFound, ConfigurationError, StorageError
from twofold.testing.conformance._domain.bank import Deposit, Open, application
from twofold_sqlalchemy import SqlAlchemy


@pytest.mark.parametrize("given", ["sqlite+aiosqlite:///orders.db", create_engine("sqlite://"), None])
def test_an_argument_that_is_not_an_engine(given: Any) -> None:
    """A URL and an engine without asyncio are refused immediately, with the correct code in the error."""
    with pytest.raises(ConfigurationError, match=r"must be an AsyncEngine, such as create_async_engine\("):
        SqlAlchemy(given)


async def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """SQLite does not say which file it cannot open; the error does."""
    file = tmp_path / "missing" / "orders.db"
    engine = create_async_engine(f"sqlite+aiosqlite:///{file}")
    app = Application("away", write=SqlAlchemy(engine))
    for attempt in (app.create_schema, app.__aenter__):
        with pytest.raises(StorageError, match=f"The file is '{re.escape(str(file))}': create its folder"):
            await attempt()
    await engine.dispose()


@pytest.fixture(params=runnable(["sqlite", "postgresql", "mariadb"], "Engines with autocommit"))
def server_url(request: pytest.FixtureRequest, database: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{database}"
    return str(request.getfixturevalue("mysql_url" if request.param == "mariadb" else "postgresql_url"))


async def test_an_engine_with_autocommit(server_url: str) -> None:
    """Statements of the user commit on their own. Those of a command still commit together."""
    engine = create_async_engine(server_url, isolation_level="AUTOCOMMIT")
    try:
        await _check_autocommit(engine, engine.connect)
    finally:
        await engine.dispose()


async def test_connections_with_autocommit(server_url: str) -> None:
    """The same for an engine whose copy has the isolation level as an option."""
    engine = create_async_engine(server_url)
    try:
        await _check_autocommit(engine, engine.execution_options(isolation_level="AUTOCOMMIT").connect)
    finally:
        await engine.dispose()


async def _check_autocommit(engine: AsyncEngine, connect: Callable[[], AsyncConnection]) -> None:
    app = await application(SqlAlchemy(engine))

    async def fail(opening: Open, call_next: Callable[[Open], Awaitable[Any]]) -> Any:
        await call_next(opening)
        if opening.account_id == "b":
            raise LookupError("b")

    app.use(fail, on=Open, inside=True)
    async with connect() as connection:
        await connection.exec_driver_sql("CREATE TABLE of_the_user (number INTEGER)")
        await connection.exec_driver_sql("INSERT INTO of_the_user VALUES (1)")
    async with app:
        await app.dispatch(Open(account_id="a"))
        with pytest.raises(LookupError):
            await app.dispatch(Open(account_id="b"))
        assert (await app.dispatch(Deposit(account_id="a", amount=Decimal(1)))) == 1
        with pytest.raises(AggregateNotFound):
            await app.dispatch(Deposit(account_id="b", amount=Decimal(1)))
    async with connect() as connection:
        assert (await connection.exec_driver_sql("SELECT number FROM of_the_user")).scalars().all() == [1]


def test_the_stores_of_an_engine_share_statements(database: Path) -> None:
    """A second store of an engine creates no tables and compiles no statements. A store of another engine has its own."""
    engine, other = (create_async_engine(f"sqlite+aiosqlite:///{database}") for _ in range(2))
    first, second, third = SqlAlchemy(engine), SqlAlchemy(engine, queue_timeout=1), SqlAlchemy(other)
    assert first._prepared is second._prepared
    assert first._prepared is not third._prepared


def test_statements_do_not_outlive_their_engine(database: Path) -> None:
    """The shared statements are released with the engine."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{database}")
    prepared = ref(SqlAlchemy(engine)._prepared)
    assert prepared() is not None
    del engine
    gc.collect()
    assert prepared() is None
