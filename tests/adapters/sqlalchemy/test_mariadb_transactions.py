"""Particulars of transactions on MariaDB and MySQL: locks, deadlocks, and sessions without a client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import anyio
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tests.adapters.sqlalchemy.mariadb_lab import transactions, until_one_waits, value
from twofold import View
from twofold.errors import (
    ReadOnlyUnitOfWork,
    TransientFailure,
    UnitOfWorkDoomed,
)
from twofold.ports import NewEvent, Position, RowChange
from twofold.testing.conformance._tools.in_time import CEILING, in_time, until
from twofold_sqlalchemy import SqlAlchemy
from twofold_sqlalchemy._transaction import SqlTransaction

MakeEvent = Callable[[], NewEvent]


class Item(View, name="item", key="id"):
    id: str
    amount: int = 0


@pytest.fixture
async def engine(mysql_url: str) -> AsyncIterator[AsyncEngine]:
    """An engine on an empty database."""
    engine = create_async_engine(mysql_url)
    yield engine
    await engine.dispose()


@pytest.fixture
async def store(engine: AsyncEngine) -> SqlAlchemy:
    """A store with its tables; it waits long for locks, so that a test that needs no waiting fails when it waits."""
    store = SqlAlchemy(engine, busy_timeout=2 * CEILING)
    await store.create_schema([Item])
    return store


async def put(transaction: SqlTransaction, id: str, amount: int = 0) -> None:
    """Write a row, and hold its lock."""
    await transaction.rows(Item).write([RowChange(id, Item(id=id, amount=amount), Position(1))])


async def items(store: SqlAlchemy) -> set[object]:
    """Return the keys of the committed rows."""
    transaction = await store.begin(read_only=True)
    found = await transaction.rows(Item).get_many(["a", "b", "c"])
    await transaction.rollback()
    return set(found)


async def session_of(transaction: SqlTransaction) -> int:
    """Return the number of a transaction's session."""
    found = await transaction._transaction.use(lambda c: c.exec_driver_sql("SELECT CONNECTION_ID()"), "ask")
    return int(found.scalar_one())


async def test_a_deadlock_dooms_the_whole_unit(store: SqlAlchemy) -> None:
    """The server has rolled back everything; leaving a savepoint heals nothing, so that no second half is committed."""
    first, second = await store.begin(), await store.begin()
    await put(first, "a")
    await put(second, "b")
    reached: list[str] = []
    both = anyio.Event()

    async def cross(transaction: SqlTransaction, key: str) -> str:
        reached.append(key)
        if len(reached) == 2:
            both.set()
        await both.wait()
        try:
            async with transaction.savepoint():
                await put(transaction, key, 1)
        except TransientFailure:
            with pytest.raises(UnitOfWorkDoomed):
                await put(transaction, "c")
            with pytest.raises(UnitOfWorkDoomed):
                await transaction.commit()
            await transaction.rollback()
            return "lost"
        await transaction.commit()
        return "won"

    with in_time():
        outcomes = await asyncio.gather(cross(first, "b"), cross(second, "a"))

    assert sorted(outcomes) == ["lost", "won"]
    assert await items(store) == {"a", "b"}


async def test_a_lock_that_does_not_come_is_reported(engine: AsyncEngine, store: SqlAlchemy) -> None:
    """After `busy_timeout` the unit of work is doomed, although the server itself would continue it."""
    impatient = SqlAlchemy(create_async_engine(engine.url), busy_timeout=1)
    holder, waiter = await store.begin(), await impatient.begin()
    await put(holder, "a")
    await put(waiter, "b")

    with pytest.raises(TransientFailure, match="Lock wait timeout"):
        await put(waiter, "a")
    with pytest.raises(UnitOfWorkDoomed):
        await waiter.commit()
    await waiter.rollback()
    await holder.commit()

    assert await items(store) == {"a"}
    await impatient._database.engine.dispose()


async def test_a_cancelled_writer_delays_no_other_writer(store: SqlAlchemy, engine: AsyncEngine) -> None:
    """A cancelled writer waits for one lock and holds others. Its session is ended immediately, not by its timeout."""
    holder, cancelled, third = await store.begin(), await store.begin(), await store.begin()
    await put(holder, "a")
    await put(cancelled, "b", 1)
    session = await session_of(cancelled)
    waiting = asyncio.create_task(put(cancelled, "a", 1))
    await until_one_waits(engine)

    async def it_is_gone() -> bool:
        return not await value(engine, f"SELECT count(*) FROM information_schema.processlist WHERE id = {session}")

    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await cancelled.rollback()

    with in_time():
        await put(third, "b", 2)
        await third.commit()
        await until(it_is_gone, "its session was to end")
    await holder.rollback()
    assert await items(store) == {"b"}
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]


async def test_a_session_that_was_killed_is_reported(store: SqlAlchemy, engine: AsyncEngine) -> None:
    """In a statement, and at a COMMIT, which is never sent: as a transient failure, and nothing is written."""
    used, committed = await store.begin(), await store.begin()
    for transaction in (used, committed):
        await put(transaction, "a" if transaction is used else "b")
        await value(engine, f"KILL {await session_of(transaction)}")

    with pytest.raises(TransientFailure):
        await put(used, "c")
    await used.rollback()
    with pytest.raises(TransientFailure, match="cannot commit"):
        await committed.commit()

    assert await items(store) == set()
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]


async def test_a_reading_transaction_sees_one_state(store: SqlAlchemy, engine: AsyncEngine) -> None:
    """A read-only transaction does not see later commits. Single reads do, also on a reused connection."""
    reading = await store.begin(read_only=True)
    assert not await reading.rows(Item).get_many(["a"])
    writing = await store.begin()
    await put(writing, "a")
    await writing.commit()

    assert not await reading.rows(Item).get_many(["a"])
    await reading.rollback()
    assert await items(store) == {"a"}


async def test_the_database_itself_refuses_to_write_in_a_reading_transaction(store: SqlAlchemy) -> None:
    """So does whatever gets past the adapter's own look; the next transaction on that connection may write."""
    reading = await store.begin(read_only=True)
    with pytest.raises(ReadOnlyUnitOfWork, match="READ ONLY transaction"):
        await reading._transaction.use(lambda c: c.exec_driver_sql("DELETE FROM item"), "write")
    await reading.rollback()

    writing = await store.begin()
    await put(writing, "a")
    await writing.commit()
    assert await items(store) == {"a"}


async def test_a_single_read_leaves_no_transaction_open(
    store: SqlAlchemy, engine: AsyncEngine, new_event: MakeEvent
) -> None:
    """An idle connection would see an old state, and keep the server from cleaning up."""
    for number in range(3):
        assert await store.log.head() == number
        transaction = await store.begin()
        await transaction.log.append("a", [new_event()], expected=number)
        await transaction.commit()
    await store.log.read_all()

    assert await transactions(engine) == []
    reading = await store.begin(read_only=True)
    assert [event async for event in reading.log.read("a")]
    assert len(await transactions(engine)) == 1
    await reading.rollback()


async def test_an_engine_that_commits_each_statement_serves_all_the_same(mysql_url: str, store: SqlAlchemy) -> None:
    """A store works on an engine with autocommit, and writes nothing in autocommit."""
    engine = create_async_engine(mysql_url, isolation_level="AUTOCOMMIT")
    transaction = await SqlAlchemy(engine).begin()
    await put(transaction, "a")
    await put(transaction, "b")
    await transaction.rollback()
    await engine.dispose()

    assert await items(store) == set()
