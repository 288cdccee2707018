"""The cost of reads does not grow with the log, whatever the database knows of its tables."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tests.adapters.sqlalchemy.costs import ANALYSE, SEVERAL, correlation, cost, fill
from tests.adapters.sqlalchemy.postgresql_lab import put
from tests.servers.choice import runnable
from twofold.ports import START, Position
from twofold_sqlalchemy import SqlAlchemy
from twofold_sqlalchemy._log.event_log import SqlEventLog

ROWS = 100_000

RARE = 19_000
"""The number of events between two of a rare name."""

LIMIT = 500

FEW = 4 * LIMIT
"""The maximal number of rows for a page or the end of the log. A page of most events searches two positions an event."""

SPAN = 60_000
"""The maximal number of rows for a page of rare events, which searches 50,000 positions."""


@pytest.fixture(params=runnable(("sqlite", "postgresql", "mariadb"), "The cost of reads does not grow with the log"))
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """An engine on an empty database."""
    if request.param == "sqlite":
        url = f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
    else:
        new: Callable[[], str] = request.getfixturevalue(
            f"new_{'mysql' if request.param == 'mariadb' else request.param}_url"
        )
        url = new()
    engine = create_async_engine(url)
    yield engine
    await engine.dispose()


async def filled(engine: AsyncEngine) -> tuple[SqlAlchemy, SqlAlchemy]:
    """Return two stores that have read the end of a log, which became long afterwards."""
    stores = SqlAlchemy(engine), SqlAlchemy(engine)
    await stores[0].create_schema([])
    await put(stores[0], "long")
    for store in stores:
        assert await store.log.head() == 1
    await fill(engine, ROWS, rare=RARE)
    return stores


async def analyse(engine: AsyncEngine) -> None:
    """Let the database collect statistics."""
    async with engine.connect() as connection:
        await connection.exec_driver_sql(ANALYSE[engine.dialect.name])
        await connection.commit()


async def test_reads_of_a_long_log_are_bounded(engine: AsyncEngine) -> None:
    """Reads cost the same without statistics and with them. To fill a log takes a second, so one test uses it for both."""
    first, second = await filled(engine)
    await check_reads(engine, first)
    await check_interactions(engine, first)
    await analyse(engine)
    await check_reads(engine, second)
    await check_interactions(engine, second)


async def check_reads(engine: AsyncEngine, first: SqlAlchemy) -> None:
    """The first end of the log, pages at any position, streams, and the count for a lag read a limited number of rows."""
    store = SqlAlchemy(engine)
    log = store.log

    async def head(log: SqlEventLog = log) -> None:
        assert await log.head() == ROWS

    async def page(after: int, *names: str) -> None:
        found = await log.read_all(after=Position(after), limit=LIMIT, names=names or None)
        assert len(found.events) == min(LIMIT, ROWS - after)

    async def rare() -> None:
        found = await log.read_all(after=Position(0), limit=LIMIT, names={"test.rare"})
        assert [each.position for each in found.events] == [19_000, 38_000]
        assert found.last == 50_000

    async def stream() -> None:
        async for stored in log.read("long", after=100):
            if stored.version == 110:
                return

    async def count() -> None:
        assert await log.count(after=Position(100), upto=Position(10_100)) == 10_000

    assert await cost(engine, store, head) <= FEW
    assert await cost(engine, first, partial(head, first.log)) <= FEW
    for after in (0, ROWS // 2, ROWS - 10):
        assert await cost(engine, store, partial(page, after)) <= FEW
        assert await cost(engine, store, partial(page, after, "test.happened", "test.else")) <= 2 * FEW
    assert LIMIT < await cost(engine, store, rare) <= SPAN
    assert await cost(engine, store, stream) <= FEW
    assert 100 < await cost(engine, store, count) <= 11_000


async def check_interactions(engine: AsyncEngine, store: SqlAlchemy) -> None:
    """Neither a short interaction nor a page of a long one makes the database read the log."""
    log = store.log

    async def one_of_its_interaction(newest: bool) -> None:
        between = {"after": START, "before": Position(ROWS + 1)}
        found = await log.read_correlated(correlation(77_777), **between, limit=LIMIT, newest_first=newest)
        assert [each.position for each in found] == [77_777]

    async def page_of_an_interaction(newest: bool) -> None:
        between = {"after": Position(1_000), "before": Position(ROWS - 1_000)}
        found = await log.read_correlated(SEVERAL, **between, limit=3, newest_first=newest)
        assert [each.position for each in found] == ([98_995, 98_990, 98_985] if newest else [1_005, 1_010, 1_015])

    for newest in (False, True):
        assert await cost(engine, store, partial(one_of_its_interaction, newest)) <= FEW
        assert await cost(engine, store, partial(page_of_an_interaction, newest)) <= FEW
