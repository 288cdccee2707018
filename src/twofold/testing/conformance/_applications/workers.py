"""Workers: several processes share a subscription, take over from each other, and never do a thing twice."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import anyio

from twofold import Application

from .._domain.audit import settled
from .._domain.work import (
    ACCOUNTS,
    LEASE,
    LONG,
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
from .._tools.in_time import CEILING, until
from .._tools.opened import NewStore
from .worker_partitions import WorkerPartitions
from .worker_retries import WorkerRetries


class WorkerSuite(WorkerPartitions, WorkerRetries):
    """What every store makes possible: work that is shared, and done once. Needs the fixture `new_store`."""

    async def test_one_works_and_the_other_stands_by(self, new_store: NewStore) -> None:
        """Of two workers one holds a partition; when it leaves, the other goes on where it was, and not a lease later."""
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

    async def test_workers_that_start_at_once_begin_once(self, new_store: NewStore) -> None:
        """Of two workers that find no checkpoint, one writes the first; the other does not start again, however late."""
        looked, go, calls = anyio.Event(), anyio.Event(), list[str]()

        async def hold(begin: Call) -> Any:
            if not looked.is_set():
                looked.set()
                await go.wait()
            return await begin()

        async def note(account: str) -> None:
            calls.append(account)

        async with opened(new_store) as (store, front):
            held: Any = Hooked(store, "begin", hold)
            late = Application("work", **stores_of(held), lease=LONG)
            late.include(working(during=note))
            async with late:
                await looked.wait()
                async with worker(store, working(during=note), lease=LONG):
                    await deposit(front, 1)
                    await settled(front)
                go.set()
                await deposit(front, 2)
                await settled(late)
                assert await done(front) == everywhere(1, 2)
                assert sorted(calls) == sorted(2 * ACCOUNTS)

    async def test_a_dead_worker_is_succeeded(self, new_store: NewStore) -> None:
        """The partition of a worker that died is taken over when its lease has ended, and not before."""
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
        """What a worker does after another has claimed its partition is refused; it is done again by who holds it."""
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
        """A worker with nothing to do hears from its lease that another has the partition, and has it back afterwards."""
        async with opened(new_store) as (store, front), worker(store) as robbed:
            await settled(front)
            taken = await stolen(store)
            await until(lambda: _stands_by(robbed))
            assert [each.owner for each in await store.subscriptions.partitions("work")] == ["thief"]
            await store.subscriptions.release([taken])
            await deposit(front, 1)
            await settled(front)
            assert await done(front) == everywhere(1)

    async def test_a_slow_handler_is_not_robbed(self, new_store: NewStore) -> None:
        """Leases are renewed during a slow handler; no other worker gets its partition meanwhile."""
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
                            seconds=CEILING,  # also where less is expected: it takes a third of the lease
                        )
                        assert await store.subscriptions.claim("mail", "another", seconds=LONG, limit=1) == []
                finally:
                    go.set()
                await settled(slow)
                assert sent == [(ACCOUNTS[0], 1)]


async def _stands_by(app: Application) -> bool:
    return await state(app) == "standby"
