"""Appends run one after another on MariaDB and MySQL. Positions have no gaps and are committed in order."""

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
    """Return a store with its tables and a long lock timeout."""
    store = SqlAlchemy(engine, busy_timeout=CEILING)
    await store.create_schema([])
    return store


async def start(url: str, name: str, count: int) -> Process:
    """Start a process that appends on request."""
    environment = {"PYTHONPATH": ":".join(sys.path)}
    arguments = ["-c", WRITER, url, name, str(count)]
    writer = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment
    )
    assert writer.stdout is not None
    assert await writer.stdout.readline() == b"ready\n"
    return writer


async def test_positions_of_two_processes_have_no_gaps_and_are_seen_in_order(mysql_url: str, store: SqlAlchemy) -> None:
    """While two processes append and sometimes roll back, a reader receives the positions 1, 2, 3 and so on."""
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
    """Positions are committed in order. An append that expects any version succeeds, even on the same stream."""
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
    """A rollback of a transaction or of a savepoint leaves no gap."""
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


async def test_a_counter_that_does_not_fit_its_log_is_reported(
    store: SqlAlchemy, engine: AsyncEngine, new_event: MakeEvent
) -> None:
    """If only one of the two tables was restored, no event is overwritten.

    The error is not a conflict that would be repeated.
    """
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
