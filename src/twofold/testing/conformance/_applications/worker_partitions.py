"""Partitions: workers share the keys, and the number of partitions can change."""

from __future__ import annotations

import os
import sys
from collections import Counter
from typing import Any

import anyio

from .._domain.audit import settled
from .._domain.work import (
    ACCOUNTS,
    deposit,
    divided,
    done,
    everywhere,
    lag,
    mailing,
    opened,
    others_passed,
    owners,
    stolen,
    worker,
    working,
)
from .._tools.hooked import Call, Hooked
from .._tools.in_time import until
from .._tools.opened import NewStore

PARTITIONS = """
import sys
from twofold.ports import partition_of
print(*(partition_of(key, 4) for key in sys.argv[1:]))
"""


async def partitions_elsewhere(seed: str) -> list[int]:
    """Return the partition of each account, of four, in a process with another hash seed."""
    command = [sys.executable, "-c", PARTITIONS, *(f"account-{account}" for account in ACCOUNTS)]
    ended = await anyio.run_process(command, env={**os.environ, "PYTHONHASHSEED": seed})
    return [int(number) for number in ended.stdout.split()]


class WorkerPartitions:
    """The cases of `WorkerSuite` about partitions."""

    async def test_partitions_share_the_keys(self, new_store: NewStore) -> None:
        """Every key belongs to one partition and is handled in order.

        All partitions together handle every event once.
        """
        async with opened(new_store) as (store, front), worker(store, working(partitions=4)):
            await deposit(front, 1, 2, 3)
            await settled(front)
            assert await done(front) == everywhere(1, 2, 3)
            await divided(store, "work", 4)

    async def test_a_key_falls_to_the_same_partition_everywhere(self, new_store: NewStore) -> None:
        """All processes compute the same partition for a key, whatever their hash seed.

        A worker does not touch keys of others.
        """
        async with opened(new_store) as (store, front):
            async with worker(store, working(partitions=4)):
                await settled(front)
            taken = await stolen(store)
            async with worker(store, working(partitions=4)):
                await deposit(front, 1)
                await until(lambda: others_passed(store, taken))
                one, other = [await partitions_elsewhere(seed) for seed in ("1", "2")]
                assert one == other
                mine = [account for account, number in zip(ACCOUNTS, one, strict=True) if number != taken.partition]
                assert await done(front) == dict.fromkeys(mine, (1,))
                assert await lag(front) > 0

    async def test_two_workers_share_the_partitions(self, new_store: NewStore) -> None:
        """A new worker takes over its share of the partitions. Every event is handled once."""
        async with opened(new_store) as (store, front), worker(store, working(partitions=4)):
            await deposit(front, 1)

            async def shared() -> bool:
                return await owners(store) == {2: 2}

            async with worker(store, working(partitions=4)):
                await deposit(front, 2)
                await until(shared)
                await deposit(front, 3)
                await settled(front)
                assert await done(front) == everywhere(1, 2, 3)

    async def test_a_worker_that_left_has_no_share(self, new_store: NewStore) -> None:
        """The other workers take over the partitions of a worker that has stopped."""
        async with opened(new_store) as (store, front), worker(store, working(partitions=4)):

            async def shared() -> bool:
                return await owners(store) == {2: 2}

            async def all_with_one() -> bool:
                return await owners(store) == {4: 1}

            async with worker(store, working(partitions=4)):
                await until(shared)
            await deposit(front, 1)
            await settled(front)
            assert await done(front) == everywhere(1)
            await until(all_with_one)

    async def test_the_number_of_partitions_changes_before_a_claim(self, new_store: NewStore) -> None:
        """A worker that read the old number of partitions handles every event once with the new number."""
        async with opened(new_store) as (store, front):
            claimed, changed = Counter[str](), anyio.Event()

            async def claim_late(claim: Call) -> Any:
                claimed["late"] += 1
                await changed.wait()
                return await claim()

            late: Any = Hooked(store, "subscriptions.claim", claim_late)
            async with worker(late):
                await until(lambda: claimed["late"] == 2)  # of the projections "balances" and "work"
                async with worker(store, working(partitions=4)):
                    await divided(store, "work", 4)
                await deposit(front, 1)
                changed.set()
                await settled(front)
                assert await done(front) == everywhere(1)

    async def test_more_and_fewer_partitions(self, new_store: NewStore) -> None:
        """After a change of the number of partitions, every event is handled once."""
        async with opened(new_store) as (store, front):
            amounts: list[int] = []
            for amount, partitions in enumerate((1, 4, 3, 1, 2), 1):
                amounts.append(amount)
                await deposit(front, amount)
                async with worker(store, working(partitions=partitions)):
                    await settled(front)
                    assert await done(front) == everywhere(*amounts)
                    await divided(store, "work", partitions)

    async def test_partitions_at_different_positions_are_divided_again(self, new_store: NewStore) -> None:
        """Partitions with different checkpoints first catch up with each other before their number changes.

        Every event is handled once.
        """
        async with opened(new_store) as (store, front):
            async with worker(store, working(partitions=4)):
                await settled(front)
            taken = await stolen(store)
            async with worker(store, working(partitions=4)):
                await deposit(front, 1, 2)
                await until(lambda: others_passed(store, taken))
            await store.subscriptions.release([taken])
            async with worker(store, working(partitions=3)):
                await deposit(front, 3)
                await settled(front)
                assert await done(front) == everywhere(1, 2, 3)
                await divided(store, "work", 3)

    async def test_an_event_handler_that_is_divided_keeps_its_mark(self, new_store: NewStore) -> None:
        """An event handler with changing partitions runs once for each event after its start, and for none before it."""
        sent: list[tuple[str, int]] = []
        async with opened(new_store) as (store, front):
            await deposit(front, 1)
            async with worker(store, mailing(sent)) as app:
                await settled(app)
            newer: list[int] = []
            for amount, partitions in enumerate((1, 4, 3, 1), 2):
                newer.append(amount)
                await deposit(front, amount)
                async with worker(store, mailing(sent, partitions=partitions)) as app:
                    await settled(app)
                    await divided(store, "mail", partitions)
                for account in ACCOUNTS:
                    assert [number for who, number in sent if who == account] == newer

    async def test_parked_keys_move_with_their_partition(self, new_store: NewStore) -> None:
        """A parked key stays parked after a change of the number of partitions, and its new partition counts it."""
        bad = ACCOUNTS[:3]
        async with opened(new_store) as (store, front):
            await deposit(front, 1)
            for partitions, failing in ((1, bad), (4, []), (2, [])):
                async with worker(store, working(partitions=partitions, fail_on=failing)):
                    await settled(front)
                    found = await store.subscriptions.checkpoint("work")
                    assert found is not None
                    assert found.parked == len(await front.operations.parked("work"))
                await deposit(front, 2, accounts=bad)
            assert [each.attempts for each in await front.operations.parked("work")] == [2, 2, 2, *[0] * 6]
            assert {each.key for each in await front.operations.parked("work")} == {
                f"account-{account}" for account in bad
            }
            assert not set(bad) & set(await done(front))
