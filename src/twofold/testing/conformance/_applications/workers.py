"""Workers: processes share a subscription and take over from each other. Every event takes effect once."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import anyio

from twofold import Application

from .._domain.audit import settled
from .._domain.bank import Balance, Open
from .._domain.work import (
    ACCOUNTS,
    LEASE,
    LONG,
    Sum,
    Work,
    deposit,
    done,
    everywhere,
    mailing,
    opened,
    state,
    stolen,
    worker,
    working,
)
from .._tools.beside import stores_of
from .._tools.hooked import Call, Hooked
from .._tools.in_time import CEILING, WHOLE_TEST, in_time, until
from .._tools.opened import NewStore
from .worker_partitions import WorkerPartitions
from .worker_pauses import WorkerPauses
from .worker_retries import WorkerRetries
from .worker_statuses import WorkerStatuses


class WorkerSuite(WorkerPartitions, WorkerPauses, WorkerRetries, WorkerStatuses):
    """The promises of a store to workers that share a subscription. Needs the fixture `new_store`."""

    async def test_one_works_and_the_other_stands_by(self, new_store: NewStore) -> None:
        """One of two workers is on standby.

        When the other one stops, it resumes immediately, without waiting for the lease to expire.
        """
        async with opened(new_store) as (store, front), AsyncExitStack() as staying:
            async with worker(store, lease=LONG) as first:
                await settled(front)
                second = await staying.enter_async_context(worker(store))
                await deposit(front, 1)
                await settled(front)
                assert (await state(first), await state(second)) == ("running", "standby")
            await deposit(front, 2)
            await settled(front)
            assert await done(front) == everywhere(1, 2)

    async def test_workers_that_start_concurrently_create_one_checkpoint(self, new_store: NewStore) -> None:
        """Exactly one of two processes that find no checkpoint writes the first one.

        The other process does not start again.
        """
        looked, go, started, done_late = (anyio.Event() for _ in range(4))
        calls = list[str]()

        async def hold(begin: Call) -> Any:
            if not looked.is_set():
                looked.set()
                await go.wait()
            return await begin()

        async def note(account: str) -> None:
            calls.append(account)

        async with new_store([Balance, Work, Sum]) as store:
            held: Any = Hooked(store, "begin", hold)
            late = Application("work", **stores_of(held), lease=LONG)
            late.include(working(during=note))

            async def start_late() -> None:
                async with late:
                    started.set()
                    await done_late.wait()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(start_late)
                await looked.wait()
                with in_time(WHOLE_TEST):
                    async with worker(store, working(during=note), lease=LONG) as first:
                        for account in ACCOUNTS:
                            await first.dispatch(Open(account_id=account))
                        await deposit(first, 1)
                        await settled(first)
                        go.set()
                        await started.wait()
                        await deposit(first, 2)
                        await settled(late)
                        assert await done(first) == everywhere(1, 2)
                    done_late.set()
                assert sorted(calls) == sorted(2 * ACCOUNTS)

    async def test_another_worker_takes_over_from_a_dead_worker(self, new_store: NewStore) -> None:
        """Another worker takes over the partition of a dead worker after its lease has expired, and not before."""
        looked = anyio.Event()

        async def look(claim: Call) -> Any:
            found = await claim()
            looked.set()
            return found

        async with opened(new_store) as (store, front):
            looking: Any = Hooked(store, "subscriptions.claim", look)
            async with worker(store):
                await settled(front)
            dead = await store.subscriptions.claim("work", "dead", seconds=LONG, limit=1)
            async with worker(looking):
                await deposit(front, 1)
                await looked.wait()
                assert [each.owner for each in await store.subscriptions.partitions("work")] == ["dead"]
                assert await done(front) == {}
                assert list(await store.subscriptions.renew(dead, seconds=0.0)) == list(dead)
                await settled(front)
                assert await done(front) == everywhere(1)

    async def test_a_worker_that_lost_its_partition_writes_nothing(self, new_store: NewStore) -> None:
        """A worker cannot write after another worker has claimed its partition. The new owner handles the events."""
        reached, go, armed, gave_back = anyio.Event(), anyio.Event(), list[bool](), anyio.Event()

        async def hold(begin: Call) -> Any:
            if armed.pop() if armed else False:
                reached.set()
                await go.wait()
            return await begin()

        async def note(release: Call) -> None:
            await release()
            gave_back.set()

        async with opened(new_store) as (store, front):
            held: Any = Hooked(store, "begin", hold)
            held = Hooked(held, "subscriptions.release", note)
            robbed = Application("work", **stores_of(held), lease=LEASE)
            robbed.include(working())
            async with robbed:
                await settled(robbed)
                armed.append(True)
                await deposit(front, 1)
                await reached.wait()
                taken = await stolen(store)
                go.set()
                await until(lambda: _stands_by(robbed))
                await gave_back.wait()
                assert [each.owner for each in await store.subscriptions.partitions("work")] == ["thief"]
                assert await done(front) == {}
                await store.subscriptions.release([taken])
                await settled(robbed)
                assert await done(front) == everywhere(1)

    async def test_an_idle_worker_notices_that_it_lost_its_partition(self, new_store: NewStore) -> None:
        """An idle worker that loses its lease changes to standby. It resumes after the partition is released."""
        async with opened(new_store) as (store, front), worker(store) as robbed:
            await settled(front)
            taken = await stolen(store)
            await until(lambda: _stands_by(robbed))
            assert [each.owner for each in await store.subscriptions.partitions("work")] == ["thief"]
            await store.subscriptions.release([taken])
            await deposit(front, 1)
            await settled(front)
            assert await done(front) == everywhere(1)

    async def test_a_slow_handler_does_not_lose_its_lease(self, new_store: NewStore) -> None:
        """A slow handler keeps its lease: the lease is renewed, and no other worker claims the partition."""
        reached, go, sent = anyio.Event(), anyio.Event(), list[tuple[str, int]]()
        renewals, lease = 0, 3.0

        async def slowly() -> None:
            reached.set()
            await go.wait()

        async def count(renew: Call) -> Any:
            nonlocal renewals
            kept = await renew()
            renewals += 1
            return kept

        async with opened(new_store) as (store, front):
            counted: Any = Hooked(store, "subscriptions.renew", count)
            async with worker(counted, mailing(sent, during=slowly), lease=lease) as slow:
                try:
                    await deposit(front, 1, accounts=ACCOUNTS[:1])
                    await reached.wait()
                    began = anyio.current_time()
                    while anyio.current_time() < began + lease:
                        before = renewals
                        await until(
                            lambda before=before: renewals > before,  # type: ignore[misc]
                            "the lease was to be renewed",
                            seconds=CEILING,  # even if `patience` is lower: a renewal happens after a third of the lease
                        )
                        assert await store.subscriptions.claim("mail", "another", seconds=LONG, limit=1) == []
                finally:
                    go.set()
                await settled(slow)
                assert sent == [(ACCOUNTS[0], 1)]


async def _stands_by(app: Application) -> bool:
    return await state(app) == "standby"
