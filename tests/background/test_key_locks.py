"""Locks by key: one task at a time for a key, in the order of arrival, and nothing left behind."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import TaskStatus

from twofold._background.key_locks import KeyLocks
from twofold.testing.conformance._tools.in_time import in_time

pytestmark = pytest.mark.anyio


async def test_equal_keys_run_one_after_another_in_their_order() -> None:
    """Tasks of one key hold the lock one at a time, in the order in which they asked for it."""
    locks, order, inside = KeyLocks(), list[int](), 0

    async def work(number: int, *, task_status: TaskStatus[None]) -> None:
        nonlocal inside
        task_status.started()
        async with locks.hold("a"):
            inside += 1
            assert inside == 1
            await anyio.lowlevel.checkpoint()
            inside -= 1
            order.append(number)

    async with anyio.create_task_group() as tasks:
        for number in range(5):
            await tasks.start(lambda number=number, *, task_status: work(number, task_status=task_status))
    assert order == [0, 1, 2, 3, 4]


async def test_other_keys_do_not_wait() -> None:
    """A lock of another key is free."""
    locks = KeyLocks()
    with in_time():
        async with locks.hold("a"), locks.hold("b"), locks.hold(None):
            pass


async def test_a_cancelled_task_leaves_its_place() -> None:
    """The task behind a cancelled one gets the lock."""
    locks, got = KeyLocks(), anyio.Event()

    async def wait(scope: anyio.CancelScope, *, task_status: TaskStatus[None]) -> None:
        task_status.started()
        with scope:
            async with locks.hold("a"):
                got.set()

    with in_time():
        async with anyio.create_task_group() as tasks, locks.hold("a"):
            cancelled, patient = anyio.CancelScope(), anyio.CancelScope()
            for scope in (cancelled, patient):
                await tasks.start(lambda scope=scope, *, task_status: wait(scope, task_status=task_status))
            await anyio.wait_all_tasks_blocked()
            cancelled.cancel()
            await anyio.wait_all_tasks_blocked()
            assert not got.is_set()
        assert got.is_set()


async def test_a_lock_that_becomes_free_for_a_cancelled_task_goes_on_to_the_next() -> None:
    """A task that is cancelled in the moment in which it gets the lock passes it on."""
    locks, got = KeyLocks(), anyio.Event()

    async def wait(scope: anyio.CancelScope, last: bool) -> None:
        with scope:
            async with locks.hold("a"):
                await anyio.lowlevel.checkpoint()
                if last:
                    got.set()

    with in_time():
        async with anyio.create_task_group() as tasks:
            scope = anyio.CancelScope()
            async with locks.hold("a"):
                tasks.start_soon(wait, scope, False)
                await anyio.wait_all_tasks_blocked()
                tasks.start_soon(wait, anyio.CancelScope(), True)
                await anyio.wait_all_tasks_blocked()
            scope.cancel()
        assert got.is_set()


async def test_an_unused_key_takes_no_memory() -> None:
    """When the last task has left, nothing is known of the key."""
    locks = KeyLocks()
    async with locks.hold("a"):
        pass
    with anyio.move_on_after(0.01):
        async with locks.hold("b"), locks.hold("b"):
            pass
    assert locks._waiting == {}
