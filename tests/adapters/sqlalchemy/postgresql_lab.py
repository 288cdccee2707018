"""One PostgreSQL database with any number of processes on it, and functions that inspect it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
from sqlalchemy.ext.asyncio import create_async_engine

from twofold.errors import SchemaMissing
from twofold.ports import START, Expected, ExpectedVersion, NewEvent, Position, StoredEvent
from twofold.testing.conformance._tools.in_time import CEILING, until
from twofold_sqlalchemy import SqlAlchemy
from twofold_sqlalchemy._transaction import SqlTransaction

INSERT = """
INSERT INTO twofold_events (stream, version, name, schema_version, time, id, metadata, data)
VALUES ('{stream}', 1, 'test.happened', 1, now(), gen_random_uuid(), '{{}}', '{{}}')
"""
"""An event that is inserted by hand."""

WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid IN ({ours})"
OURS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
IDLE = f"SELECT count(*) FROM ({OURS} AND state LIKE 'idle in transaction%') AS idle"


class Lab:
    """A database of a test.

    Args:
        url: the URL of the database.
        stack: closes the opened objects.
    """

    def __init__(self, url: str, stack: AsyncExitStack) -> None:
        self.url = url
        self._stack = stack

    async def process(self, *, state: Any = None, **options: Any) -> SqlAlchemy:
        """Return a store with a separate engine. Like two processes, the stores share only the database."""
        engine = create_async_engine(self.url, **options)
        self._stack.push_async_callback(engine.dispose)
        store = SqlAlchemy(engine, state=state)
        try:
            await store.open([])
        except SchemaMissing:
            await store.create_schema([])
            await store.open([])
        return store

    async def session(self, url: str | None = None, **settings: str) -> Any:
        """Return a plain session of asyncpg, as `psql` would have."""
        dsn = (url or self.url).replace("+asyncpg", "")
        session = await asyncpg.connect(dsn, server_settings=settings)
        self._stack.push_async_callback(_end, session)
        return session

    async def ask(self, sql: str, *values: Any) -> Any:
        """Return the first value of a statement in a separate session."""
        session = await asyncpg.connect(self.url.replace("+asyncpg", ""))
        try:
            return await session.fetchval(sql, *values)
        finally:
            await session.close()

    async def until(self, sql: str, wanted: Any = 1) -> None:
        """Return once a statement's first value is this one; the server is looked at until it is."""
        session = await self.session()

        async def it_is() -> bool:
            return bool(await session.fetchval(sql) == wanted)

        await until(it_is, f"{sql} was to be {wanted}")

    async def until_waiting(self, sessions: int = 1) -> None:
        """Return once this number of sessions of the database waits for a lock."""
        await self.until(WAITING.format(ours=OURS), sessions)

    async def end(self, session: int) -> None:
        """End a session as an administrator would, and return when it is gone."""
        assert await self.ask(f"SELECT pg_terminate_backend($1, {1000 * CEILING:.0f})", session)


@asynccontextmanager
async def lab_at(url: str) -> AsyncIterator[Lab]:
    """Give a lab on a database, and close all its connections at the end."""
    async with AsyncExitStack() as stack:
        yield Lab(url, stack)


def event(name: str = "test.happened") -> NewEvent:
    """Return an event that was not stored before."""
    return NewEvent(uuid4(), name, 1, '{"a": 1}', "{}", datetime.now(UTC))


async def put(
    store: SqlAlchemy, stream: str, count: int = 1, expected: ExpectedVersion = Expected.ANY
) -> Sequence[StoredEvent]:
    """Append in a separate transaction."""
    transaction = await store.begin()
    try:
        stored = await transaction.log.append(stream, [event() for _ in range(count)], expected=expected)
        await transaction.commit()
    finally:
        await transaction.rollback()
    return stored


async def begun(store: SqlAlchemy, *streams: str) -> SqlTransaction:
    """Return a transaction that has appended to these streams, and so has taken its positions, and is open."""
    transaction = await store.begin()
    for stream in streams:
        await transaction.log.append(stream, [event()], expected=Expected.ANY)
    return transaction


async def read(store: SqlAlchemy, after: Position = START) -> list[StoredEvent]:
    """Return the events that a reader gets now. Their positions ascend."""
    found: list[StoredEvent] = []
    while (page := await store.log.read_all(after=after)).last > after:
        found += page.events
        after = page.last
    positions = [event.position for event in found]
    assert positions == sorted(set(positions))
    return found


async def streams(store: SqlAlchemy) -> list[str]:
    """Return the streams of the events that a reader gets now, in their order."""
    return [event.stream for event in await read(store)]


async def backend(transaction: SqlTransaction) -> int:
    """Return the number of a transaction's session."""
    row = await transaction._transaction.use(lambda c: c.exec_driver_sql("SELECT pg_backend_pid()"), "ask")
    return int(row.scalar_one())


async def at_once(count: int, work: Callable[[int, asyncio.Barrier], Coroutine[Any, Any, Any]]) -> list[Any]:
    """Run tasks that share a barrier; return the result or the error of each."""
    barrier = asyncio.Barrier(count)
    return await asyncio.gather(*(work(number, barrier) for number in range(count)), return_exceptions=True)


async def _end(session: Any) -> None:
    session.terminate()  # it may be in a transaction, dead, or waiting
    await asyncio.sleep(0)  # the loop closes the socket
