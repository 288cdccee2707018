"""A task that is cancelled at any await leaves no transaction and no connection behind on PostgreSQL."""

from __future__ import annotations

import asyncio
import gc
import random
import types
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import anyio
import pytest

from tests.adapters.sqlalchemy.postgresql_lab import IDLE, Lab, begun, event, lab_at, put, read, streams
from tests.conftest import NewUrl
from twofold.errors import UnitOfWorkDoomed
from twofold.ports import Expected
from twofold.testing.conformance._tools.in_time import CEILING, in_time
from twofold_sqlalchemy import SqlAlchemy


@dataclass
class Desk:
    """A store with two connections, and a session that watches."""

    lab: Lab
    store: SqlAlchemy
    watch: Any
    written: set[str] = field(default_factory=set)
    started: int = 0

    async def assert_free(self) -> None:
        """Check that no connection is checked out and no session is in a transaction, and that the next command works."""
        assert self.store._database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
        with in_time():
            while await self.watch.fetchval(IDLE):
                pass
            await put(self.store, "next")

    async def assert_whole(self) -> None:
        """Check that each unit of work is in the log completely or not at all, and that each successful one is there."""
        found = await streams(self.store)
        whole = {name for name in found if name.startswith("unit-")}
        assert all(found.count(name) == 3 for name in whole)
        assert self.written <= whole

    async def write(self) -> None:
        """Write as a unit of work does: read, append, append in a savepoint, commit."""
        self.started += 1
        name = f"unit-{self.started}"
        transaction = await self.store.begin()
        try:
            assert [event async for event in transaction.log.read(name)] == []
            await transaction.log.append(name, [event(), event()], expected=0)
            async with transaction.savepoint():
                await transaction.log.append(name, [event()], expected=2)
            await transaction.commit()
        finally:
            await transaction.rollback()
        self.written.add(name)

    async def look(self) -> None:
        """Read as a query does, and as a subscription does at a gap."""
        transaction = await self.store.begin(read_only=True)
        try:
            assert len([event async for event in transaction.log.read("old")]) == 3
        finally:
            await transaction.rollback()
        assert (await streams(self.store))[:3] == ["old"] * 3
        assert len([event async for event in self.store.log.read("old")]) == 3


@pytest.fixture
async def without_noise() -> AsyncIterator[None]:
    """Let one report pass: asyncpg abandons a future when it is cancelled while it connects, also to cancel a statement."""
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    assert before is not None

    def report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if str(context.get("exception")) != "unexpected connection_lost() call":
            before(loop, context)

    loop.set_exception_handler(report)
    yield
    gc.collect()
    loop.set_exception_handler(before)


@pytest.fixture
async def desk(prepared_postgresql_url: NewUrl, without_noise: None) -> AsyncIterator[Desk]:
    """A store with something in it."""
    async with lab_at(prepared_postgresql_url()) as lab:
        store = await lab.process(pool_size=2, max_overflow=0, pool_timeout=CEILING)
        await put(store, "old", 3)
        yield Desk(lab, store, await lab.session())


Work = Callable[[Desk], Coroutine[Any, Any, None]]
works = pytest.mark.parametrize("work", [Desk.write, Desk.look], ids=["write", "read"])


@types.coroutine
def cancelled_at(work: Coroutine[Any, Any, Any], step: int, *, done: bool) -> Generator[Any, Any, bool]:
    """Run a coroutine and cancel its task at the n-th await; return whether the coroutine reached this await.

    Args:
        work: the coroutine.
        step: the number of the await, from 0.
        done: cancel after the awaited object is done and before the task continues; otherwise as soon as the task
            waits.
    """
    task, waits = asyncio.current_task(), 0
    assert task is not None
    try:
        waited = work.send(None)
        while True:
            if waits == step:
                if done and waited is not None:
                    waited.add_done_callback(lambda _: task.cancel())
                else:
                    task.cancel()
            waits += 1
            try:
                value = yield waited
            except BaseException as error:  # noqa: BLE001 -- whatever it is, it belongs to the work
                waited = work.throw(error)
            else:
                waited = work.send(value)
    except StopIteration:
        return waits > step


async def cancelled(work: Coroutine[Any, Any, Any], step: int, *, done: bool) -> bool:
    """Run a cancelled coroutine in a separate task; return whether it had this number of awaits."""

    async def run() -> bool:
        return await cancelled_at(work, step, done=done)

    outcome = (await asyncio.gather(asyncio.create_task(run()), return_exceptions=True))[0]
    if isinstance(outcome, asyncio.CancelledError):
        return True
    assert isinstance(outcome, bool), repr(outcome)
    return outcome


@pytest.mark.parametrize("fresh", [False, True], ids=["pooled", "connecting"])
@pytest.mark.parametrize("done", [False, True], ids=["while it waits", "when it has come"])
@works
async def test_cancelled_at_each_await(desk: Desk, work: Work, done: bool, fresh: bool) -> None:
    """A unit of work that is cancelled at any await from BEGIN to COMMIT is complete or absent, and leaves nothing open."""
    undone = await begun(desk.store, "undone")
    await put(desk.store, "behind")
    await undone.rollback()
    step = 0
    while True:
        if fresh:
            await desk.store._database.engine.dispose()
        if work is Desk.look:
            await desk.store.open([])  # the reader knows nothing of the gap
        if not await cancelled(work(desk), step, done=done):
            break
        await desk.assert_free()
        step += 1
    assert step > 8
    await desk.assert_whole()


async def test_cancelled_when_a_statement_is_prepared_and_has_not_run(desk: Desk) -> None:
    """A read that is cancelled just then leaves a connection on which the next transaction begins."""
    for step in count():
        await desk.store._database.engine.dispose()
        if not await cancelled(desk.store.log.head(), step, done=True):
            break
        for _ in range(2):
            transaction = await desk.store.begin(read_only=True)
            await transaction.rollback()
    assert step > 2


@pytest.mark.parametrize("seed", range(4))
async def test_cancelled_at_any_moment(desk: Desk, seed: int) -> None:
    """Three concurrent tasks on two connections are cancelled after random times, some of them twice."""
    chance, loop = random.Random(seed), asyncio.get_running_loop()
    for _ in range(25):
        tasks = [asyncio.create_task(chance.choice([Desk.write, Desk.look])(desk)) for _ in range(3)]
        for task in tasks:
            for _ in range(chance.choice([1, 1, 2])):
                loop.call_later(chance.uniform(0, 0.02), task.cancel)
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            assert outcome is None or isinstance(outcome, asyncio.CancelledError)
        await desk.assert_free()
    await desk.assert_whole()


async def test_cancelled_by_anyio_at_any_moment(desk: Desk) -> None:
    """A scope cancels again at each await until it is left; the rollback finishes all the same."""
    chance = random.Random(7)
    for _ in range(40):
        with anyio.move_on_after(chance.uniform(0, 0.015)):
            async with anyio.create_task_group() as group:
                group.start_soon(desk.write)
                group.start_soon(desk.look)
        await desk.assert_free()
    await desk.assert_whole()


async def test_cancelled_while_it_waits_for_another_writer(desk: Desk) -> None:
    """The server stops the cancelled statement immediately.

    It leaves the queue and holds no lock, and readers continue.
    """
    first = await begun(desk.store, "shared")
    waiting = asyncio.create_task(put(desk.store, "shared"))
    await desk.lab.until_waiting()

    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await desk.lab.until_waiting(0)
    await first.commit()

    assert [event.stream for event in await read(desk.store)] == ["old"] * 3 + ["shared"]
    await desk.assert_free()


async def test_a_cancelled_statement_dooms_the_transaction(desk: Desk) -> None:
    """A handler that suppresses the cancellation cannot commit."""
    first, second = await begun(desk.store, "shared"), await begun(desk.store, "own")

    async def wait() -> None:
        await second.log.append("shared", [event()], expected=Expected.ANY)

    waiting = asyncio.create_task(wait())
    await desk.lab.until_waiting()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)

    with pytest.raises(UnitOfWorkDoomed):
        await second.commit()
    await second.rollback()
    await first.commit()
    assert "own" not in await streams(desk.store)
    await desk.assert_free()


async def test_a_commit_that_was_sent_is_awaited(desk: Desk) -> None:
    """The task learns that it committed, and is cancelled at the next await after it."""
    told: list[str] = []
    transaction = await begun(desk.store, "unit")

    async def commit() -> None:
        await transaction.commit()
        told.append("committed")
        await asyncio.Event().wait()

    task = asyncio.create_task(commit())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert told == ["committed"]
    assert "unit" in await streams(desk.store)
    await desk.assert_free()
