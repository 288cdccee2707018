"""A server that accepts statements and never answers: each call ends in time, and the connection is not used again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tests.crash.lab import SERVERS
from tests.servers.proxy import Proxy
from twofold import Application, Command, Event, Query, ReadModel, UnitOfWork, View, on
from twofold.errors import CommitUnknown, ConfigurationError, ReadNotReady, TransientFailure
from twofold.testing.conformance._tools.in_time import in_time
from twofold_sqlalchemy import SqlAlchemy

LIMIT = 2.0
"""Seconds that the server may take for an answer."""

SOON = 30.0
"""Seconds in which a call ends, with all its limits, on a busy machine. Without a limit it would never end."""

each_server = pytest.mark.parametrize("url", SERVERS, indirect=True)


class Written(Event, name="silent.written"):
    text: str


class Write(Command[None]):
    text: str
    pause: bool = False


class Line(View, name="silent_line", key="id"):
    id: str


class GetLine(Query["Line | None"]):
    id: str


@asynccontextmanager
async def lines(proxy: Proxy, engine: AsyncEngine) -> AsyncIterator[Application]:
    """Run an application whose network swallows everything in the handler of `Write(pause=True)`."""
    app = Application("lines", write=SqlAlchemy(engine, answer_timeout=LIMIT), work=False)

    @app.command_handler(Write)
    async def write(command: Write, unit: UnitOfWork) -> None:
        unit.record(Written(text=command.text), stream="lines")
        if command.pause:
            await unit.transaction()
            proxy.swallow()

    @app.projection("silent_lines")
    class Lines:
        def __init__(self, rows: ReadModel[Line]) -> None:
            self.rows = rows

        @on(Written)
        async def written(self, event: Written) -> None:
            await self.rows.put(Line(id=event.text))

    @app.query_handler(GetLine)
    async def get_line(query: GetLine, rows: ReadModel[Line]) -> Line | None:
        return await rows.get(query.id)

    await app.create_schema()
    async with app:
        yield app


@pytest.fixture
async def proxy(url: str) -> AsyncIterator[Proxy]:
    """Give a network to the server."""
    proxy = Proxy(url)
    async with proxy.running():
        yield proxy


@pytest.fixture
async def engine(proxy: Proxy) -> AsyncIterator[AsyncEngine]:
    """Give an engine with a single connection, so that a connection that is not given back blocks everything."""
    engine = create_async_engine(proxy.url, pool_size=1, max_overflow=0)
    yield engine
    await engine.dispose()


@each_server
async def test_a_query_ends_in_time(proxy: Proxy, engine: AsyncEngine) -> None:
    """A query fails as transient. Later queries use another connection, which works."""
    async with lines(proxy, engine) as app:
        assert await app.execute(GetLine(id="a")) is None
        proxy.swallow()
        with in_time(SOON), pytest.raises(TransientFailure, match=f"has not answered within {LIMIT:g} s"):
            await app.execute(GetLine(id="a"))
        assert await app.execute(GetLine(id="a")) is None
        assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]


@each_server
async def test_a_query_of_a_session_ends_in_time(proxy: Proxy, engine: AsyncEngine) -> None:
    """So does a query that polls the store for the writes of its session."""
    async with lines(proxy, engine) as app, app.session() as session:
        await session.dispatch(Write(text="a"))
        proxy.swallow()
        with in_time(SOON), pytest.raises(TransientFailure):
            await session.execute(GetLine(id="a"), timeout=0)
        with pytest.raises(ReadNotReady):
            await session.execute(GetLine(id="a"), timeout=0)


@each_server
async def test_a_command_ends_in_time_before_its_commit(proxy: Proxy, engine: AsyncEngine) -> None:
    """A command whose statements are not answered wrote nothing, and fails as transient."""
    async with lines(proxy, engine) as app:
        await app.dispatch(Write(text="first"))
        with in_time(SOON), pytest.raises((TransientFailure, CommitUnknown)) as caught:
            await app.dispatch(Write(text="lost", pause=True))
        assert isinstance(caught.value, TransientFailure)
        await app.dispatch(Write(text="last"))
        assert [event.version async for event in app.write.log.read("lines")] == [1, 2]
        assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]


@each_server
async def test_a_new_connection_that_is_silent(proxy: Proxy, engine: AsyncEngine) -> None:
    """A server that accepts connections and says nothing does not block a query."""
    async with lines(proxy, engine) as app:
        assert await app.execute(GetLine(id="a")) is None
        proxy.stall()
        for _ in range(2):
            with in_time(SOON), pytest.raises(TransientFailure):
                await app.execute(GetLine(id="a"))
        proxy.resume()
        assert await app.execute(GetLine(id="a")) is None


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_a_limit_that_is_out_of_range(seconds: float) -> None:
    """It is refused when the store is created."""
    with pytest.raises(ConfigurationError, match="answer_timeout"):
        SqlAlchemy(create_async_engine("sqlite+aiosqlite:///any.db"), answer_timeout=seconds)
