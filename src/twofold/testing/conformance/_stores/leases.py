"""Partitions and leases: of several workers one may move a partition on, and one that lost it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from twofold.errors import CheckpointMoved
from twofold.ports import Checkpoint, Lease, Position, ReadStore, RowChange

from .._domain.row_samples import Task, all_of
from .._tools.opened import NewReadStore, undone, writing
from .subscription_store import NAME, TIME, advance, at, events, park, parked

LONG = 60.0
"""Seconds; longer than any test."""

OVER = 0.0
"""A lease that has ended as soon as it began."""


async def divided(store: ReadStore, *checkpoints: Checkpoint, leases: Sequence[Lease] = (), of: str = NAME) -> None:
    """Commit partitions."""
    async with writing(store) as transaction:
        await transaction.checkpoints.divide(of, checkpoints, leases=leases)


async def claimed(store: ReadStore, owner: str, *, seconds: float = LONG, limit: int = 9) -> list[int]:
    """Claim partitions and return their numbers."""
    return [lease.partition for lease in await store.subscriptions.claim(NAME, owner, seconds=seconds, limit=limit)]


async def ended(store: ReadStore, *leases: Lease) -> None:
    """Let leases end now, as if nobody had renewed them."""
    assert list(await store.subscriptions.renew(leases, seconds=OVER)) == list(leases)


class LeaseSuite:
    """What every store promises about partitions and leases. Needs the fixture `new_store`."""

    async def test_partitions_are_written_and_read(self, new_store: NewReadStore) -> None:
        """Partitions come back in their order, free, each with its checkpoint; a subscription that never ran has none."""
        async with new_store([]) as store:
            assert await store.subscriptions.partitions(NAME) == []
            await divided(store, at(3), at(1, parked=2), at(2))
            found = await store.subscriptions.partitions(NAME)
            assert [(each.number, each.checkpoint, each.owner) for each in found] == [
                (0, at(3), None), (1, at(1, parked=2), None), (2, at(2), None),
            ]  # fmt: skip

    async def test_the_lowest_partition_counts(self, new_store: NewReadStore) -> None:
        """A subscription has passed what its slowest partition has passed; the parked events of all are added up."""
        async with new_store([]) as store:
            await divided(store, at(7, parked=1), at(4, parked=2), at(9))
            assert await store.subscriptions.checkpoint(NAME) == at(4, parked=3)

    async def test_a_partition_is_claimed_once(self, new_store: NewReadStore) -> None:
        """What a worker holds nobody else gets, itself included; the owner is known; other subscriptions are apart."""
        async with new_store([]) as store:
            await divided(store, at(0), at(0), at(0))
            await divided(store, at(0), of="another")
            assert await claimed(store, "a", limit=2) == [0, 1]
            assert await claimed(store, "b") == [2]
            assert await claimed(store, "a") == []
            assert [each.owner for each in await store.subscriptions.partitions(NAME)] == ["a", "a", "b"]
            assert len(await store.subscriptions.claim("another", "c", seconds=LONG, limit=9)) == 1
            assert await store.subscriptions.claim("unknown", "c", seconds=LONG, limit=9) == []

    async def test_of_claims_at_once_one_wins(self, new_store: NewReadStore) -> None:
        """Several workers that want the same partitions at the same time get each of them once."""
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

    async def test_a_released_partition_is_free(self, new_store: NewReadStore) -> None:
        """A partition that was given back can be claimed at once, under a new generation."""
        async with new_store([]) as store:
            await divided(store, at(0))
            (first,) = await store.subscriptions.claim(NAME, "a", seconds=LONG, limit=1)
            await store.subscriptions.release([first])
            (second,) = await store.subscriptions.claim(NAME, "b", seconds=LONG, limit=1)
            assert second.generation > first.generation
            await store.subscriptions.release([first])
            assert [each.owner for each in await store.subscriptions.partitions(NAME)] == ["b"]

    async def test_a_lease_ends_by_itself(self, new_store: NewReadStore) -> None:
        """A lease that is not renewed ends, and another worker gets the partition; until then nobody does."""
        async with new_store([]) as store:
            await divided(store, at(0))
            (lease,) = await store.subscriptions.claim(NAME, "a", seconds=LONG, limit=1)
            assert await claimed(store, "b") == []
            await ended(store, lease)
            assert [each.owner for each in await store.subscriptions.partitions(NAME)] == [None]
            assert await claimed(store, "b") == [0]

    async def test_a_lease_is_renewed(self, new_store: NewReadStore) -> None:
        """Renewing lengthens a lease, also one that has ended when nobody took it; one that was taken is not renewed."""
        async with new_store([]) as store:
            await divided(store, at(0), at(0))
            leases = await store.subscriptions.claim(NAME, "a", seconds=OVER, limit=2)
            assert list(await store.subscriptions.renew(leases, seconds=LONG)) == list(leases)
            assert await claimed(store, "b") == []
            await ended(store, leases[0])
            assert await claimed(store, "b") == [0]
            assert list(await store.subscriptions.renew(leases, seconds=LONG)) == [leases[1]]

    async def test_a_lost_lease_moves_nothing(self, new_store: NewReadStore) -> None:
        """A worker that was away while another claimed its partition is refused, also when the checkpoint has not moved."""
        async with new_store([Task]) as store:
            await divided(store, at(1))
            (old,) = await store.subscriptions.claim(NAME, "a", seconds=OVER, limit=1)
            (new,) = await store.subscriptions.claim(NAME, "b", seconds=LONG, limit=1)
            async with undone(store) as transaction:
                await transaction.rows(Task).write([RowChange("a", Task(id="a"), Position(2))])
                with pytest.raises(CheckpointMoved):
                    await transaction.checkpoints.advance(NAME, expected=at(1), to=at(2), lease=old)
            assert await all_of(store, Task) == {}
            async with writing(store) as transaction:
                await transaction.checkpoints.advance(NAME, expected=at(1), to=at(2), lease=new)
            assert await store.subscriptions.checkpoint(NAME) == at(2)

    async def test_a_lease_moves_its_partition_only(self, new_store: NewReadStore) -> None:
        """With a lease, the checkpoint of its partition moves, from where it is expected; the others stay."""
        async with new_store([]) as store:
            await divided(store, at(1), at(1), at(1))
            leases = await store.subscriptions.claim(NAME, "a", seconds=LONG, limit=3)
            async with writing(store) as transaction:
                await transaction.checkpoints.advance(NAME, expected=at(1), to=at(5, parked=1), lease=leases[1])
            assert [each.checkpoint for each in await store.subscriptions.partitions(NAME)] == [
                at(1),
                at(5, parked=1),
                at(1),
            ]
            with pytest.raises(CheckpointMoved):
                async with writing(store) as transaction:
                    await transaction.checkpoints.advance(NAME, expected=at(1), to=at(6), lease=leases[1])

    async def test_dividing_anew(self, new_store: NewReadStore) -> None:
        """Who holds all partitions may replace them by more or fewer, free ones, whose old leases are worth nothing."""
        async with new_store([]) as store:
            await divided(store, at(4))
            for count in (3, 2):
                leases = await store.subscriptions.claim(NAME, "a", seconds=LONG, limit=9)
                await divided(store, *[at(4)] * count, leases=leases)
                assert [(each.number, each.owner) for each in await store.subscriptions.partitions(NAME)] == [
                    (number, None) for number in range(count)
                ]
                assert await store.subscriptions.renew(leases, seconds=LONG) == []

    async def test_dividing_needs_every_partition(self, new_store: NewReadStore) -> None:
        """A worker that does not own all partitions, or lost them, cannot replace them; nothing changes."""
        async with new_store([]) as store:
            await divided(store, at(1), at(2))
            with pytest.raises(CheckpointMoved):
                await divided(store, at(0))
            lost = await store.subscriptions.claim(NAME, "a", seconds=OVER, limit=2)
            held = await store.subscriptions.claim(NAME, "b", seconds=LONG, limit=2)
            for leases in (lost, held[:1], held[1:], [held[0], lost[1]]):
                with pytest.raises(CheckpointMoved):
                    await divided(store, at(9), leases=leases)
            assert [each.checkpoint for each in await store.subscriptions.partitions(NAME)] == [at(1), at(2)]

    async def test_workers_are_counted(self, new_store: NewReadStore) -> None:
        """Each worker that says it is here is counted once, for as long as it says so, for its subscription only."""
        async with new_store([]) as store:
            assert await store.subscriptions.attend(NAME, "a", seconds=LONG) == 1
            assert await store.subscriptions.attend(NAME, "b", seconds=LONG) == 2
            assert await store.subscriptions.attend("another", "c", seconds=LONG) == 1
            assert await store.subscriptions.attend(NAME, "b", seconds=OVER) in (1, 2)
            assert await store.subscriptions.attend(NAME, "a", seconds=LONG) == 1

    async def test_parked_events_are_forgotten(self, new_store: NewReadStore) -> None:
        """Parked events are forgotten by their positions, as many as there were; others stay."""
        async with new_store([]) as store:
            first, second, third = events(3)
            await park(store, parked(first), parked(second), parked(third, key="other"))
            async with writing(store) as transaction:
                assert await transaction.parked.remove(NAME, [first.position, third.position]) == 2
                assert await transaction.parked.remove(NAME, [first.position]) == 0
            assert await store.parked.read(NAME) == [parked(second)]
            assert await store.parked.keys(NAME) == {"k": 1}

    async def test_held_keys_are_known(self, new_store: NewReadStore) -> None:
        """The keys that wait for a next try are known with its time, past or to come; those that do not are not."""
        soon, late = datetime.now(UTC) - timedelta(microseconds=1), TIME + timedelta(days=36500, microseconds=7)
        async with new_store([]) as store:
            first, second, third = events(3)
            assert await store.parked.retries(NAME) == {}
            await park(
                store, parked(first, again=soon), parked(second, key="late", again=late), parked(third, key="no")
            )
            assert await store.parked.retries(NAME) == {"k": soon, "late": late}
            assert await store.parked.retries("another") == {}

    async def test_a_retry_is_asked_for(self, new_store: NewReadStore) -> None:
        """It concerns the first event that a key has, in the order of parking, and ends with it."""
        async with new_store([]) as store:
            second, first, third = events(3)
            await park(store, parked(first), parked(second), parked(third, key="other"))
            async with writing(store) as transaction:
                assert await transaction.parked.retry(NAME, "k", at=TIME)
                assert not await transaction.parked.retry(NAME, "none", at=TIME)
                assert not await transaction.parked.retry("another", "k", at=TIME)
            assert await store.parked.retries(NAME) == {"k": TIME}
            assert await store.parked.read(NAME, key="k") == [parked(first, again=TIME), parked(second)]
            async with writing(store) as transaction:
                await transaction.parked.remove(NAME, [first.position])
                assert await transaction.parked.retry(NAME, "other", at=TIME)
            assert await store.parked.retries(NAME) == {"other": TIME}

    async def test_a_new_reason(self, new_store: NewReadStore) -> None:
        """An event that failed again keeps its place, with the new reason, attempts and times, or without a next try."""
        async with new_store([]) as store:
            first, second = events(2)
            await park(store, parked(first, again=TIME), parked(second))
            for attempts, time in ((4, TIME + timedelta(seconds=1)), (5, None)):
                again = parked(first, reason=f"KeyError: ü {attempts}", attempts=attempts, again=time)
                async with writing(store) as transaction:
                    await transaction.parked.update(NAME, again)
                assert await store.parked.read(NAME) == [again, parked(second)]
                assert await store.parked.retries(NAME) == ({"k": time} if time else {})

    async def test_a_rollback_undoes_all_of_it(self, new_store: NewReadStore) -> None:
        """Partitions, next tries, reasons and forgotten events of a transaction that is rolled back are as before."""
        async with new_store([]) as store:
            (first,) = events(1)
            await advance(store, None, at(1, parked=1))
            await park(store, parked(first))
            (lease,) = await store.subscriptions.claim(NAME, "a", seconds=LONG, limit=1)
            async with undone(store) as transaction:
                await transaction.parked.retry(NAME, "k", at=TIME)
                await transaction.parked.update(NAME, parked(first, reason="no", attempts=9))
                await transaction.parked.remove(NAME, [first.position])
                await transaction.checkpoints.divide(NAME, [at(1), at(1)], leases=[lease])
            assert await store.parked.read(NAME) == [parked(first)]
            assert await store.parked.retries(NAME) == {}
            assert [each.checkpoint for each in await store.subscriptions.partitions(NAME)] == [at(1, parked=1)]
            assert list(await store.subscriptions.renew([lease], seconds=LONG)) == [lease]
