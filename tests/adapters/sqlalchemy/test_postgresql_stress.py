"""Random writers on PostgreSQL: every reader receives each committed event once, in order, and in time."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import time
from datetime import UTC, datetime
from statistics import quantiles
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from twofold.ports import START, Expected, NewEvent, StoredEvent
from twofold.testing.conformance._tools.in_time import CEILING
from twofold_sqlalchemy import SqlAlchemy
from twofold_sqlalchemy._transaction import SqlTransaction

logger = logging.getLogger(__name__)

WRITERS = 16
MEASURED = "TWOFOLD_STRESS" in os.environ
SECONDS = float(os.environ.get("TWOFOLD_STRESS", "4"))
SEED = int(os.environ.get("TWOFOLD_SEED", "20261123"))
LATE = 1.0 if MEASURED else CEILING
"""The maximum lag of a reader, in seconds. It is generous, because other tests use the same machine."""


@pytest.fixture
def anyio_backend() -> str:
    """PostgreSQL is reached by asyncio."""
    return "asyncio"


def new_event() -> NewEvent:
    """Return an event."""
    return NewEvent(uuid4(), "stress.happened", 1, "{}", "{}", datetime.now(UTC))


class Writer:
    """Writes in every way in which a unit of work can write, and records each commit with its time."""

    def __init__(self, store: SqlAlchemy, number: int, committed: dict[UUID, float]) -> None:
        self._store = store
        self._random = random.Random(SEED + number)
        self._number = number
        self._committed = committed

    async def run(self, end: float) -> None:
        """Write until then."""
        while time.monotonic() < end:
            shared = self._random.random() < 0.4
            transaction = await self._store.begin()
            try:
                ids = await self._write(transaction, f"shared-{self._random.randint(0, 3)}" if shared else None)
                if not shared and self._random.random() < 0.3:
                    await asyncio.sleep(self._random.uniform(0, 0.2))  # a late commit is what this is about
                if self._random.random() < 0.2:
                    continue
                await transaction.commit()
                self._committed.update(dict.fromkeys(ids, time.monotonic()))
            finally:
                await transaction.rollback()

    async def _write(self, transaction: SqlTransaction, shared: str | None) -> list[UUID]:
        """Append to separate streams, and then to a shared one. Other writers wait for the end of this transaction."""
        choose, ids = self._random, list[UUID]()
        if choose.random() < 0.3:  # another table first, so that the transaction has a number long before its positions
            await transaction._transaction.use(lambda c: c.exec_driver_sql("INSERT INTO other (n) VALUES (1)"), "write")
            await asyncio.sleep(choose.uniform(0, 0.02))
        streams = [f"own-{self._number}-{number}" for number in range(choose.randint(1, 3))]
        for stream in [*streams, *([shared] if shared else [])]:
            events = [new_event() for _ in range(choose.choice((1, 1, 1, 5, 30)))]
            await transaction.log.append(stream, events, expected=Expected.ANY)
            ids += [event.id for event in events]
        return ids


async def read(store: SqlAlchemy, seen: list[tuple[StoredEvent, float]], done: asyncio.Event) -> None:
    """Follow the log until there is nothing more after the end."""
    after = START
    while True:
        ending = done.is_set()
        page = await store.log.read_all(after=after)
        now = time.monotonic()
        seen += [(event, now) for event in page.events]
        if page.last == after:
            if ending:
                return
            await asyncio.sleep(0.005)
        after = page.last


async def idle(url: str, done: asyncio.Event) -> None:
    """Hold a transaction with a number and a snapshot open, in a database of this server."""
    connection = await asyncpg.connect(url)
    async with connection.transaction(isolation="repeatable_read"):
        await connection.execute("CREATE TABLE idle (n int)")
        await done.wait()
    await connection.close()


def check(seen: list[tuple[StoredEvent, float]], committed: dict[UUID, float]) -> list[float]:
    """Compare the events of a reader with the committed ones; return the delay of each event in seconds."""
    events = [event for event, _ in seen]
    assert sorted(event.id for event in events) == sorted(committed)
    positions = [event.position for event in events]
    assert positions == sorted(set(positions))
    versions: dict[str, int] = {}
    for event in events:
        assert event.version == versions.get(event.stream, 0) + 1
        versions[event.stream] = event.version
    return [at - committed[event.id] for event, at in seen]


async def test_random_writers(new_postgresql_url: object) -> None:
    """Late commits, rollbacks, early writes elsewhere, idle transactions: nothing is lost, doubled, disordered or late."""
    assert callable(new_postgresql_url)
    url, foreign = new_postgresql_url(), new_postgresql_url()
    engines: list[AsyncEngine] = [create_async_engine(url, pool_size=WRITERS + 4) for _ in range(3)]
    writing, *reading = [SqlAlchemy(engine) for engine in engines]
    await writing.create_schema([])
    async with engines[0].begin() as connection:
        await connection.exec_driver_sql("CREATE TABLE other (n int)")
    committed: dict[UUID, float] = {}
    seen: list[list[tuple[StoredEvent, float]]] = [[], []]
    written, done = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for place in (url, foreign):
            dsn = make_url(place).set(drivername="postgresql").render_as_string(hide_password=False)
            tasks.create_task(idle(dsn, done))
        readers = [tasks.create_task(read(store, each, written)) for store, each in zip(reading, seen, strict=True)]
        end = time.monotonic() + SECONDS
        await asyncio.gather(*[Writer(writing, number, committed).run(end) for number in range(WRITERS)])
        written.set()
        await asyncio.gather(*readers)
        done.set()
    for each in seen:
        late = check(each, committed)
        cuts = quantiles(late, n=100)
        logger.info(
            "%d events, behind by %.3f s (p50), %.3f s (p99), %.3f s at most", len(each), cuts[49], cuts[98], max(late)
        )
        assert max(late) < LATE
    for engine in engines:
        await engine.dispose()
