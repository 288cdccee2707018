"""When leases begin and expire: by the clock of the store, also for processes whose clocks are wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import anyio

from twofold.ports import Lease, ReadStore

from .._tools.opened import NewReadStore
from .._tools.process_clock import RIGHT, process_clock, process_clocks
from .leasing import LONG, OVER, claimed, divided, ended
from .subscription_store import NAME, at

ACCURACY = 1_000
"""Microseconds to which the clock of a store is accurate."""

WRONG = timedelta(minutes=10)
"""The error of a wrong clock. It exceeds the duration of the leases."""


class LeaseClocks:
    """The cases of `LeaseSuite` about time."""

    async def test_generations_follow_the_clock(self, new_store: NewReadStore) -> None:
        """The generation of a lease is the time of the store's clock in microseconds, and always a new one.

        So a store that lost its last commits grants no lost generation again.
        """
        async with new_store([]) as store:
            await divided(store, at(0), at(0))
            before = await store.now()
            assert before.utcoffset() == timedelta()
            first = await store.subscriptions.claim(NAME, "a", seconds=OVER, limit=2)
            second = await store.subscriptions.claim(NAME, "a", seconds=LONG, limit=2)
            earliest = (before - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1)
            assert min(lease.generation for lease in first) >= earliest - ACCURACY
            assert all(new.generation > old.generation for old, new in zip(first, second, strict=True))
            assert await store.now() >= before

    async def test_one_of_several_concurrent_claims_succeeds(self, new_store: NewReadStore) -> None:
        """Workers that claim the same partitions at the same time get each partition once."""
        async with new_store([]) as store:
            await divided(store, *[at(0)] * 4)
            got: list[Lease] = []

            async def worker(name: str) -> None:
                got.extend(await store.subscriptions.claim(NAME, name, seconds=LONG, limit=4))

            async with anyio.create_task_group() as tasks:
                for name in "abcdef":
                    tasks.start_soon(worker, name)
            got.extend(await store.subscriptions.claim(NAME, "late", seconds=LONG, limit=4))
            assert sorted(lease.partition for lease in got) == [0, 1, 2, 3]

    async def test_wrong_clocks_of_processes_do_not_matter(self, new_store: NewReadStore) -> None:
        """A process whose clock is ahead takes no live lease, and a process whose clock is behind respects no expired one.

        The clock of the store decides.
        """
        clocks = (RIGHT, WRONG, -WRONG)
        async with new_store([]) as store:
            await divided(store, at(0))
            with process_clocks():
                for mine, other in permutations(clocks, 2):
                    with process_clock(mine):
                        (lease,) = await store.subscriptions.claim(NAME, "a", seconds=LONG, limit=1)
                    with process_clock(other):
                        assert [each.owner for each in await store.subscriptions.partitions(NAME)] == ["a"]
                        assert await claimed(store, "b") == []
                    with process_clock(mine):
                        await ended(store, lease)
                    with process_clock(other):
                        leases = await store.subscriptions.claim(NAME, "b", seconds=LONG, limit=1)
                        assert [each.partition for each in leases] == [0]
                        await store.subscriptions.release(leases)

    async def test_processes_with_wrong_clocks_claim_at_the_same_time(self, new_store: NewReadStore) -> None:
        """Processes that claim at the same time get each free partition once, and no partition with a live lease."""
        got: list[Lease] = []
        go = anyio.Event()

        async def process(store: ReadStore, name: str, clock: timedelta) -> None:
            with process_clock(clock):
                await go.wait()
                got.extend(await store.subscriptions.claim(NAME, name, seconds=LONG, limit=4))

        async with new_store([]) as store:
            await divided(store, *[at(0)] * 4)
            with process_clocks():
                held = await store.subscriptions.claim(NAME, "holder", seconds=LONG, limit=2)
                with process_clock(WRONG):
                    await store.subscriptions.claim(NAME, "dead", seconds=OVER, limit=2)
                async with anyio.create_task_group() as tasks:
                    for name, clock in zip("abcdef", (RIGHT, WRONG, -WRONG) * 2, strict=True):
                        tasks.start_soon(process, store, name, clock)
                    await anyio.wait_all_tasks_blocked()
                    go.set()
            free = {0, 1, 2, 3} - {lease.partition for lease in held}
            assert sorted(lease.partition for lease in got) == sorted(free)
            assert list(await store.subscriptions.renew([*held, *got], seconds=LONG)) == [*held, *got]

    async def test_a_lease_ends_by_itself(self, new_store: NewReadStore) -> None:
        """A lease that is not renewed expires. Other workers can claim the partition then, and not before."""
        async with new_store([]) as store:
            await divided(store, at(0))
            (lease,) = await store.subscriptions.claim(NAME, "a", seconds=LONG, limit=1)
            assert await claimed(store, "b") == []
            await ended(store, lease)
            assert [each.owner for each in await store.subscriptions.partitions(NAME)] == [None]
            assert await claimed(store, "b") == [0]

    async def test_a_lease_is_renewed(self, new_store: NewReadStore) -> None:
        """An expired lease can be renewed until another worker claims the partition."""
        async with new_store([]) as store:
            await divided(store, at(0), at(0))
            leases = await store.subscriptions.claim(NAME, "a", seconds=OVER, limit=2)
            assert list(await store.subscriptions.renew(leases, seconds=LONG)) == list(leases)
            assert await claimed(store, "b") == []
            await ended(store, leases[0])
            assert await claimed(store, "b") == [0]
            assert list(await store.subscriptions.renew(leases, seconds=LONG)) == [leases[1]]
