"""The event log on PostgreSQL, compared with the same inserts in asyncpg and with the library `eventsourcing`."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from statistics import median
from uuid import uuid4

import asyncpg
from sqlalchemy import URL, make_url
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks._ratio import Ratio, as_fast, slower
from benchmarks.sqlite import encoded, encoded_batch
from twofold import Aggregate, Application, Command, Event, Query, ReadModel, Repository, View, on
from twofold.ports import START, AppendCondition, Criterion, NewEvent
from twofold_sqlalchemy import SqlAlchemy

WRITERS, SECONDS, ROUNDS, BATCH = 8, 2.0, 3, 100
HISTORY, ROWS = 30_000, 500
"""The events of the catch-up, and the rows of one batch: as many as a projection writes in one transaction."""

PEER = Path(__file__).parents[1] / ".venv-peers" / "bin" / "python"
SERVER = make_url(os.environ.get("TWOFOLD_POSTGRESQL_URL", "postgresql+asyncpg://postgres@127.0.0.1:5432/postgres"))

INSERT = (
    "INSERT INTO raw_events (stream, version, name, schema_version, time, id, metadata, data) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
)

Work = Callable[[float], Awaitable[int]]
"""Works until a deadline and returns the number of events."""


class Counted(Event, name="bench.counted"):
    number: int
    text: str


class Row(View, name="bench_row", key="number"):
    number: int
    text: str


class Account(Aggregate, name="account"):
    id: str
    balance: Decimal

    @on(Counted)
    def _counted(self, event: Counted) -> None:
        self.id, self.balance = event.text, Decimal(event.number)


class Count(Command[None]):
    number: int


class GetRow(Query["Row | None"]):
    number: int


async def measure() -> AsyncIterator[Ratio]:
    """Measure in a temporary database."""
    async with database() as url:
        engine = create_async_engine(url, pool_size=WRITERS + 4)
        pool = await asyncpg.create_pool(_dsn(url), min_size=WRITERS, max_size=WRITERS)
        try:
            store = SqlAlchemy(engine)
            await application(store).create_schema()
            await store.open([Row])
            await pool.execute("CREATE TABLE raw_events (LIKE twofold_events INCLUDING ALL)")
            for batch in (1, BATCH):
                works = {"ours": _appending(store, batch), "raw": _inserting(pool, batch)}
                found = await _rates(works, url if batch == 1 else None)
                name, limit = ("append one event", 1.2) if batch == 1 else (f"append {batch} events", 1.0)
                yield as_fast(
                    f"{name}, {WRITERS} writers", "raw asyncpg, same insert", found["ours"], found["raw"], limit
                )
                if "peer" in found:
                    yield as_fast(f"{name}, {WRITERS} writers", "eventsourcing", found["ours"], found["peer"], 1.5)
            decided = await _rates({"boundary": _deciding(store), "plain": _appending(store, 1)}, None)
            yield as_fast(
                f"append one event under a boundary, {WRITERS} writers", "append one event",
                decided["boundary"], decided["plain"], 0.5,
            )  # fmt: skip
        finally:
            await pool.close()
            await engine.dispose()
    async with database() as url:
        engine = create_async_engine(url, pool_size=WRITERS + 4)
        try:
            async for row in _reading(SqlAlchemy(engine), url):
                yield row
        finally:
            await engine.dispose()


async def _reading(store: SqlAlchemy, url: URL) -> AsyncIterator[Ratio]:
    app = application(store)
    await app.create_schema()
    for start in range(0, HISTORY, 1000):
        await _append(store, f"s-{start}", encoded_batch(1000, first=start))
    async with app:
        started = time.perf_counter()
        await app.settle(timeout=120)
        speed = HISTORY / (time.perf_counter() - started)
        yield as_fast("catch-up of a projection into a table", "10,000 events/s", speed, 10_000, 1.0)
        raw = await _inserting_rows(url)
        yield as_fast("catch-up of a projection into a table", "raw asyncpg, same rows", speed, raw, 0.5)
        await _append(store, "account-a", encoded_batch(100))
        loads = [await timed(app.execute(GetAccount())) for _ in range(200)]
        streams = [await timed(_read(store)) for _ in range(200)]
        yield slower("load an aggregate of 100 events", "reading its stream", median(loads), median(streams), None)


class GetAccount(Query[Decimal]):
    pass


def application(store: SqlAlchemy) -> Application:
    """Return an application with one projection. Its tables do not exist yet."""
    app = Application("bench", write=store, event_sourced=[Account])

    @app.projection("rows")
    class Rows:
        def __init__(self, rows: ReadModel[Row]) -> None:
            self.rows = rows

        @on(Counted)
        async def counted(self, event: Counted) -> None:
            await self.rows.put(Row(number=event.number, text=event.text))

    @app.command_handler(Count)
    async def count(command: Count, accounts: Repository[Account]) -> None:
        await accounts.add(Account.begin(Counted(number=command.number, text=f"{command.number}")))

    @app.query_handler(GetRow, reads="rows")
    async def get_row(query: GetRow, rows: ReadModel[Row]) -> Row | None:
        return await rows.get(query.number)

    @app.query_handler(GetAccount)
    async def get_account(query: GetAccount, accounts: Repository[Account]) -> Decimal:
        return (await accounts.get("a")).balance

    return app


def _appending(store: SqlAlchemy, batch: int) -> Work:
    async def work(end: float) -> int:
        done = 0
        while time.perf_counter() < end:
            await _append(store, f"s-{uuid4()}", encoded_batch(batch))
            done += batch
        return done

    return work


def _deciding(store: SqlAlchemy) -> Work:
    """Return what reads a boundary, and appends a tagged event under its condition. No boundary overlaps another."""

    async def decide(tag: str) -> None:
        criteria, transaction = (Criterion(frozenset(["bench.counted"]), (tag,)),), await store.begin()
        try:
            found = await transaction.log.matching(criteria)
            condition = AppendCondition(criteria, found[-1].position if found else START, len(found))
            await transaction.log.guard([condition], [tag])
            await transaction.log.append(f"s-{uuid4()}", [encoded(1)._replace(tags=(tag,))], expected=0)
            await transaction.commit()
        finally:
            await transaction.rollback()

    async def work(end: float) -> int:
        tag, done = f"writer:{uuid4()}", 0
        while time.perf_counter() < end:
            await decide(f"{tag}-{done // 10}")  # at most ten events of one tag
            done += 1
        return done

    return work


def _inserting(pool: asyncpg.Pool, batch: int) -> Work:
    async def work(end: float) -> int:
        done = 0
        while time.perf_counter() < end:
            stream = f"s-{uuid4()}"
            rows = [
                (stream, version, event.name, event.schema, event.time, event.id, event.metadata, event.data)
                for version, event in enumerate(encoded_batch(batch), 1)
            ]
            async with pool.acquire() as connection, connection.transaction():
                await (connection.execute(INSERT, *rows[0]) if batch == 1 else connection.executemany(INSERT, rows))
            done += batch
        return done

    return work


async def _inserting_rows(url: URL) -> float:
    """Insert the rows of the catch-up in batches of the same size, and return the rows per second."""
    connection = await asyncpg.connect(_dsn(url))
    try:
        await connection.execute("CREATE TABLE raw_rows (LIKE bench_row INCLUDING ALL)")
        started = time.perf_counter()
        for first in range(0, HISTORY, ROWS):
            rows = [(number, "something that was counted", number) for number in range(first, first + ROWS)]
            async with connection.transaction():
                await connection.executemany("INSERT INTO raw_rows VALUES ($1, $2, $3, false)", rows)
        return HISTORY / (time.perf_counter() - started)
    finally:
        await connection.close()


async def _append(store: SqlAlchemy, stream: str, events: list[NewEvent]) -> None:
    transaction = await store.begin()
    try:
        await transaction.log.append(stream, events, expected=0)
        await transaction.commit()
    finally:
        await transaction.rollback()


async def _read(store: SqlAlchemy) -> int:
    return len([event async for event in store.log.read("account-a")])


async def timed(work: Awaitable[object]) -> float:
    """Return the duration of a call, in seconds."""
    started = time.perf_counter()
    await work
    return time.perf_counter() - started


async def _rates(works: dict[str, Work], peer: URL | None) -> dict[str, float]:
    """Return the events per second of each work: the median of alternating rounds."""
    found: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            started = time.perf_counter()
            done = await asyncio.gather(*[work(started + SECONDS) for _ in range(WRITERS)])
            found[name].append(sum(done) / (time.perf_counter() - started))
        if peer is not None and PEER.exists():
            found.setdefault("peer", []).append(_peer(peer))
    return {name: median(rates) for name, rates in found.items()}


def _peer(url: URL) -> float:
    script, data = Path(__file__).parent / "peers" / "eventsourcing_append.py", encoded(1).data
    place = [str(part) for part in (url.host, url.port or 5432, url.username, url.database)]
    command = [str(PEER), str(script), *place, str(WRITERS), str(SECONDS), data]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@asynccontextmanager
async def database() -> AsyncIterator[URL]:
    """Create a database, and drop it at the end."""
    name = f"twofold_bench_{uuid4().hex[:12]}"
    connection = await asyncpg.connect(_dsn(SERVER))
    try:
        await connection.execute(f"CREATE DATABASE {name}")
        yield SERVER.set(database=name)
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


def _dsn(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
