"""A task that is cancelled at any point leaves no transaction, no connection and no lock behind."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from twofold.errors import ConfigurationError, TransientFailure, UnitOfWorkClosed, UnitOfWorkDoomed
from twofold.ports import Expected, NewEvent
from twofold.testing.conformance._tools.in_time import CEILING, in_time
from twofold_sqlalchemy import SqlAlchemy
from twofold_sqlalchemy._dialects.sqlite.driver import connect
from twofold_sqlalchemy._transaction import SqlTransaction

MakeEvent = Callable[[], NewEvent]


async def assert_free(store: SqlAlchemy, engine: AsyncEngine, new_event: MakeEvent) -> None:
    """Nothing is checked out, and the next writer gets its turn and succeeds."""
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    with in_time():
        transaction = await store.begin()
        await transaction.log.append("after", [new_event()], expected=Expected.ANY)
        await transaction.commit()


async def one_unit(store: SqlAlchemy, new_event: MakeEvent) -> None:
    """Append one event, as a unit of work does."""
    transaction = await store.begin()
    try:
        await transaction.log.append("unit", [new_event()], expected=Expected.ANY)
        await transaction.commit()
    finally:
        await transaction.rollback()


async def test_cancelled_after_any_number_of_steps(
    store: SqlAlchemy, engine: AsyncEngine, new_event: MakeEvent
) -> None:
    """A command that is cancelled at any step takes effect completely or not at all. It leaves nothing open."""
    committed, steps, in_time = 0, 0, True
    while in_time:
        task = asyncio.create_task(one_unit(store, new_event))
        for _ in range(steps):
            await asyncio.sleep(0)
        in_time = task.cancel()
        outcome = (await asyncio.gather(task, return_exceptions=True))[0]
        assert outcome is None or isinstance(outcome, asyncio.CancelledError)
        found = [event async for event in store.log.read("unit")]
        assert len(found) - committed in (0, 1)
        committed = len(found)
        await assert_free(store, engine, new_event)
        steps += 1 + steps // 50
    assert committed


async def test_cancelled_by_anyio_during_each_statement(
    store: SqlAlchemy, engine: AsyncEngine, new_event: MakeEvent
) -> None:
    """An anyio scope cancels again and again until it is left; the rollback finishes all the same."""
    for steps in range(0, 200, 5):
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:

                async def work() -> None:
                    await one_unit(store, new_event)

                group.start_soon(work)
                for _ in range(steps):
                    await asyncio.sleep(0)
                scope.cancel()
        await assert_free(store, engine, new_event)


async def test_cancelled_while_it_waits_for_its_turn(
    store: SqlAlchemy, engine: AsyncEngine, new_event: MakeEvent
) -> None:
    """A cancelled writer leaves the queue, and the next writer gets the lock."""
    first = await store.begin()
    waiting = asyncio.create_task(one_unit(store, new_event))
    lag = asyncio.create_task(one_unit(store, new_event))
    await asyncio.sleep(0)

    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await first.rollback()
    await lag

    assert len([event async for event in store.log.read("unit")]) == 1
    await assert_free(store, engine, new_event)


async def test_cancelled_while_another_process_holds_the_lock(
    database: Path, engine: AsyncEngine, new_event: MakeEvent
) -> None:
    """The cancellation does not wait for the timeout of the lock."""
    store = SqlAlchemy(engine, busy_timeout=2 * CEILING)
    await store.create_schema([])
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with in_time(), anyio.move_on_after(0.1) as scope:
        await store.begin()

    assert scope.cancelled_caught
    other.execute("ROLLBACK")
    other.close()
    await assert_free(store, engine, new_event)


async def test_the_lock_of_another_process_is_waited_for_and_then_reported(
    database: Path, engine: AsyncEngine, new_event: MakeEvent
) -> None:
    """After the timeout, `begin` raises a transient error."""
    store = SqlAlchemy(engine, busy_timeout=0.1)
    await store.create_schema([])
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(TransientFailure, match=r"begin a transaction.*locked"):
        await store.begin()

    other.execute("ROLLBACK")
    other.close()
    await assert_free(store, engine, new_event)


async def test_a_writer_that_never_ends_is_reported(engine: AsyncEngine) -> None:
    """A writer of this process does not wait forever."""
    store = SqlAlchemy(engine, queue_timeout=0.05)
    await store.create_schema([])
    first = await store.begin()

    with pytest.raises(TransientFailure, match="still writing"):
        await asyncio.create_task(store.begin())

    await first.rollback()


async def test_a_second_writing_transaction_of_one_task_is_refused(store: SqlAlchemy) -> None:
    """A nested writing transaction of a task is refused, because it could only wait for itself."""
    first = await store.begin()

    with pytest.raises(ConfigurationError, match="this task already has a writing transaction"):
        await store.begin()

    await first.rollback()


async def test_cancelled_commit_is_committed_and_then_cancelled(store: SqlAlchemy, new_event: MakeEvent) -> None:
    """A COMMIT that was sent is waited for: the task learns that it succeeded, and is cancelled after that."""
    committed = False

    async def unit(transaction: SqlTransaction) -> None:
        nonlocal committed
        await transaction.commit()
        committed = True
        await asyncio.Event().wait()

    transaction = await store.begin()
    await transaction.log.append("unit", [new_event()], expected=0)
    task = asyncio.create_task(unit(transaction))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert committed
    assert len([event async for event in store.log.read("unit")]) == 1


async def test_a_timeout_around_a_commit_stays_a_timeout(store: SqlAlchemy, new_event: MakeEvent) -> None:
    """The cancellation that is handed on is counted once, so that asyncio.timeout() recognises its own."""
    transaction = await store.begin()
    await transaction.log.append("unit", [new_event()], expected=0)

    async def commit() -> None:
        async with asyncio.timeout(0):
            await transaction.commit()
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await commit()

    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_cancelled_statement_dooms_the_transaction(
    store: SqlAlchemy, engine: AsyncEngine, new_event: MakeEvent
) -> None:
    """A handler that suppresses the cancellation cannot commit."""
    transaction = await store.begin()

    async def work() -> None:
        await transaction.log.append("unit", [new_event()], expected=0)

    append = asyncio.create_task(work())
    await asyncio.sleep(0)
    append.cancel()
    await asyncio.gather(append, return_exceptions=True)

    with pytest.raises(UnitOfWorkDoomed):
        await transaction.commit()
    await transaction.rollback()
    with pytest.raises(UnitOfWorkClosed):
        await transaction.commit()

    assert [event async for event in store.log.read("unit")] == []
    await assert_free(store, engine, new_event)


async def test_a_cancelled_long_select_is_interrupted(
    store: SqlAlchemy, engine: AsyncEngine, new_event: MakeEvent
) -> None:
    """The statement stops on its thread; it is not waited for."""
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    transaction = await store.begin(read_only=True)

    with in_time(), anyio.move_on_after(0.05):
        await transaction._transaction.use(lambda connection: connection.exec_driver_sql(endless), "count")
    await transaction.rollback()

    await assert_free(store, engine, new_event)


async def test_a_cancelled_rollback_finishes_and_is_cancelled_then(
    store: SqlAlchemy, engine: AsyncEngine, new_event: MakeEvent
) -> None:
    """The cancellation is neither raised too early nor lost."""
    steps, in_time = 1, True
    while in_time:
        transaction = await store.begin()
        await transaction.log.append("unit", [new_event()], expected=0)
        task = asyncio.create_task(transaction.rollback())
        for _ in range(steps):
            await asyncio.sleep(0)
        in_time = task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled() == in_time
        await assert_free(store, engine, new_event)
        steps += 1
    assert [event async for event in store.log.read("unit")] == []


async def test_a_connection_that_is_stopped_twice_ends(tmp_path: Path) -> None:
    """A connection that is stopped and then closed, as after a cancelled connect, does not wait forever."""
    connection = await connect(str(tmp_path / "test.db"), busy_timeout=1.0)
    connection.stop()
    with in_time(), pytest.raises(ValueError, match="closed"):
        await connection.close()


def test_a_connection_that_is_given_up_outlives_its_loop(tmp_path: Path) -> None:
    """The thread of an abandoned connection ends without calling an event loop that has ended."""
    go = threading.Event()

    async def give_up() -> threading.Thread:
        connection = await connect(tmp_path / "given-up.db", busy_timeout=1.0)
        connection._tx.put_nowait((None, go.wait))
        connection.stop()
        return connection._worker.thread

    thread = asyncio.run(give_up())
    go.set()
    thread.join(10)
    assert not thread.is_alive()
