"""Appends take turns on MariaDB and MySQL: positions without gaps, committed in their order."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tests.adapters.sqlalchemy.mariadb_lab import until_one_waits
from twofold.errors import SchemaMissing, StorageError
from twofold.ports import START, Expected, NewEvent, Position
from twofold.testing.conformance._tools.in_time import CEILING
from twofold_sqlalchemy import SqlAlchemy

MakeEvent = Callable[[], NewEvent]

WRITER = """
import asyncio, sys
from datetime import UTC, datetime
from uuid import uuid4
from sqlalchemy.ext.asyncio import create_async_engine
from twofold.ports import Expected, NewEvent
from twofold_sqlalchemy import SqlAlchemy

async def main(url, own, count):
    engine = create_async_engine(url)
    store = SqlAlchemy(engine, busy_timeout=120)
    event = NewEvent(uuid4(), "test.written", 1, "{}", "{}", datetime.now(UTC))
    print("ready", flush=True)
    sys.stdin.readline()
    version = 0
    for number in range(int(count)):
        transaction = await store.begin()
        await transaction.log.append("shared", [event._replace(id=uuid4())], expected=Expected.ANY)
        await transaction.log.append(own, [event._replace(id=uuid4()) for _ in range(3)], expected=version)
        if number % 5 == 4:
            await transaction.rollback()
        else:
            await transaction.commit()
            version += 3
    await engine.dispose()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
async def engine(mysql_url: str) -> AsyncIterator[AsyncEngine]:
    """An engine on an empty database."""
    engine = create_async_engine(mysql_url)
    yield engine
    await engine.dispose()


@pytest.fixture
async def store(engine: AsyncEngine) -> SqlAlchemy:
    """A store with its tables; whoever waits for a lock waits long."""
    store = SqlAlchemy(engine, busy_timeout=CEILING)
    await store.create_schema([])
    return store


async def start(url: str, name: str, count: int) -> Process:
    """Start a process that appends when it is told to."""
    environment = {"PYTHONPATH": ":".join(sys.path)}
    arguments = ["-c", WRITER, url, name, str(count)]
    writer = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment
    )
    assert writer.stdout is not None
    assert await writer.stdout.readline() == b"ready\n"
    return writer


async def test_positions_of_two_processes_have_no_gaps_and_are_seen_in_order(mysql_url: str, store: SqlAlchemy) -> None:
    """A reader who follows while two processes append, and roll back at times, meets 1, 2, 3 and so on."""
    writers = [await start(mysql_url, f"writer-{number}", 40) for number in range(2)]
    running = [asyncio.create_task(writer.communicate(b"go\n")) for writer in writers]
    seen: list[int] = []
    last = False
    while not last:
        last = all(task.done() for task in running)
        page = await store.log.read_all(after=Position(len(seen)), limit=7)
        seen += [event.position for event in page.events]
        assert seen == list(range(1, len(seen) + 1))
        last = last and not page.events
    results = [await task for task in running]

    assert [(writer.returncode, errors) for writer, (_, errors) in zip(writers, results, strict=True)] == [(0, b"")] * 2
    assert len(seen) == 2 * 32 * 4
    assert [event.version async for event in store.log.read("shared")] == list(range(1, 65))


async def test_the_second_append_waits_for_the_first_to_commit(
    store: SqlAlchemy, engine: AsyncEngine, new_event: MakeEvent
) -> None:
    """So positions are committed in their order, and whoever expects any version succeeds, at the same stream too."""
    first, second = await store.begin(), await store.begin()
    await first.log.append("same", [new_event(), new_event()], expected=Expected.ANY)
    waiting = asyncio.create_task(second.log.append("same", [new_event()], expected=Expected.ANY))
    await until_one_waits(engine)

    assert not waiting.done()
    assert await store.log.head() == START
    await first.commit()
    (stored,) = await waiting
    assert (stored.position, stored.version) == (3, 3)
    assert await store.log.head() == 2
    await second.commit()
    assert await store.log.head() == 3


async def test_a_position_that_was_rolled_back_is_given_again(store: SqlAlchemy, new_event: MakeEvent) -> None:
    """By the transaction and by a savepoint: there are no gaps."""
    lost = await store.begin()
    await lost.log.append("a", [new_event()], expected=Expected.ANY)
    await lost.rollback()
    kept = await store.begin()
    with pytest.raises(KeyError):
        async with kept.savepoint():
            await kept.log.append("a", [new_event()], expected=Expected.ANY)
            raise KeyError
    (stored,) = await kept.log.append("a", [new_event()], expected=0)
    await kept.commit()

    assert (stored.position, stored.version) == (1, 1)


async def test_a_counter_that_does_not_fit_its_log_is_told(
    store: SqlAlchemy, engine: AsyncEngine, new_event: MakeEvent
) -> None:
    """After one of the two tables was restored alone; nothing is overwritten, and it is no conflict to be repeated."""
    transaction = await store.begin()
    await transaction.log.append("a", [new_event(), new_event()], expected=0)
    await transaction.commit()
    for change, error, why in (
        ("UPDATE twofold_meta SET head = 1", StorageError, "only one of the two tables was restored"),
        ("DELETE FROM twofold_meta", SchemaMissing, "create_schema"),
    ):
        async with engine.begin() as connection:
            await connection.exec_driver_sql(change)
        transaction = await store.begin()
        with pytest.raises(error, match=why):
            await transaction.log.append("a", [new_event()], expected=2)
        await transaction.rollback()
