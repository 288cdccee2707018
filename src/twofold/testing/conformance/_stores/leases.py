"""Partitions and leases: only the worker that holds the lease of a partition can move its checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from twofold.errors import CheckpointMoved
from twofold.ports import Edit, Lease, Position, RowChange

from .._domain.row_samples import Task, all_of
from .._tools.opened import NewReadStore, undone, writing
from .lease_clocks import LeaseClocks
from .leasing import LONG, OVER, claimed, divided
from .subscription_store import NAME, TIME, advance, at, events, park, parked


class LeaseSuite(LeaseClocks):
    """The promises of every store about partitions and leases. Needs the fixture `new_store`."""

    async def test_partitions_are_written_and_read(self, new_store: NewReadStore) -> None:
        """Partitions are returned in order, without owners, each with its checkpoint.

        A subscription that never ran has none.
        """
        async with new_store([]) as store:
            assert await store.subscriptions.partitions(NAME) == []
            await divided(store, at(3), at(1, parked=2), at(2))
            found = await store.subscriptions.partitions(NAME)
            assert [(each.number, each.checkpoint, each.owner) for each in found] == [
                (0, at(3), None), (1, at(1, parked=2), None), (2, at(2), None),
            ]  # fmt: skip

    async def test_the_lowest_partition_counts(self, new_store: NewReadStore) -> None:
        """The checkpoint of a subscription is that of its slowest partition.

        Parked events of all partitions are added up.
        """
        async with new_store([]) as store:
            await divided(store, at(7, parked=1), at(4, parked=2), at(9))
            assert await store.subscriptions.checkpoint(NAME) == at(4, parked=3)

    async def test_contents_stay_with_the_checkpoint(self, new_store: NewReadStore) -> None:
        """The contents of a projection are stored by `divide`, and kept while the checkpoint moves."""
        texts = '[["naïve ☕ view"],["a%20b","c - d"]]', "x" * 60_000, ""
        async with new_store([]) as store:
            leases: Sequence[Lease] = ()
            for contents in texts:
                first, last = (replace(at(position), contents=contents) for position in (1, 2))
                await divided(store, first, leases=leases)
                leases = await store.subscriptions.claim(NAME, "a", seconds=LONG, limit=1, force=True)
                async with writing(store) as transaction:
                    await transaction.checkpoints.advance(NAME, expected=first, to=last, lease=leases[0])
                assert [each.checkpoint for each in await store.subscriptions.partitions(NAME)] == [last]
                assert await store.subscriptions.checkpoint(NAME) == last

    async def test_a_partition_is_claimed_once(self, new_store: NewReadStore) -> None:
        """A claimed partition cannot be claimed again, even by its owner.

        The owner is known. Other subscriptions are not affected.
        """
        async with new_store([]) as store:
            await divided(store, at(0), at(0), at(0))
            await divided(store, at(0), of="another")
            assert await claimed(store, "a", limit=2) == [0, 1]
            assert await claimed(store, "b") == [2]
            assert await claimed(store, "a") == []
            assert [each.owner for each in await store.subscriptions.partitions(NAME)] == ["a", "a", "b"]
            assert len(await store.subscriptions.claim("another", "c", seconds=LONG, limit=9)) == 1
            assert await store.subscriptions.claim("unknown", "c", seconds=LONG, limit=9) == []

    async def test_a_released_partition_is_free(self, new_store: NewReadStore) -> None:
        """A released partition can be claimed immediately, with a new generation."""
        async with new_store([]) as store:
            await divided(store, at(0))
            (first,) = await store.subscriptions.claim(NAME, "a", seconds=LONG, limit=1)
            await store.subscriptions.release([first])
            (second,) = await store.subscriptions.claim(NAME, "b", seconds=LONG, limit=1)
            assert second.generation > first.generation
            await store.subscriptions.release([first])
            assert [each.owner for each in await store.subscriptions.partitions(NAME)] == ["b"]

    async def test_a_lost_lease_moves_nothing(self, new_store: NewReadStore) -> None:
        """A worker whose partition was claimed by another worker cannot write, even if the checkpoint has not moved."""
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
        """A lease moves only the checkpoint of its own partition, and only from the expected position."""
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

    async def test_changing_the_number_of_partitions(self, new_store: NewReadStore) -> None:
        """A worker that holds all partitions can replace them with another number of free ones.

        Their old leases are invalid.
        """
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
        """A worker that does not hold all partitions cannot replace them. Nothing changes."""
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
        """Each worker is counted once, for its own subscription only.

        It is not counted after its announcement expires.
        """
        async with new_store([]) as store:
            assert await store.subscriptions.attend(NAME, "x", seconds=0) == 0
            assert await store.subscriptions.attend(NAME, "a", seconds=LONG) == 1
            assert await store.subscriptions.attend(NAME, "x", seconds=0) == 1
            assert await store.subscriptions.attend(NAME, "a", seconds=0) == 0
            assert await store.subscriptions.attend(NAME, "a", seconds=LONG) == 1
            assert await store.subscriptions.attend(NAME, "b", seconds=LONG) == 2
            assert await store.subscriptions.attend("another", "c", seconds=LONG) == 1
            assert await store.subscriptions.attend(NAME, "b", seconds=OVER) in (1, 2)
            assert await store.subscriptions.attend(NAME, "a", seconds=LONG) == 1

    async def test_parked_events_are_deleted_by_position(self, new_store: NewReadStore) -> None:
        """Parked events are deleted by their positions.

        The number of deleted events is returned, and other events stay.
        """
        async with new_store([]) as store:
            first, second, third = events(3)
            await park(store, parked(first), parked(second), parked(third, key="other"))
            async with writing(store) as transaction:
                assert await transaction.parked.remove(NAME, [first.position, third.position]) == 2
                assert await transaction.parked.remove(NAME, [first.position]) == 0
            assert await store.parked.read(NAME) == [parked(second)]
            assert await store.parked.keys(NAME) == {"k": 1}

    async def test_keys_with_pending_retries_are_known(self, new_store: NewReadStore) -> None:
        """The keys with pending retries are listed with the times of these retries. Other keys are not listed."""
        soon, late = datetime.now(UTC) - timedelta(microseconds=1), TIME + timedelta(days=36500, microseconds=7)
        async with new_store([]) as store:
            first, second, third = events(3)
            assert await store.parked.retries(NAME) == {}
            await park(
                store, parked(first, again=soon), parked(second, key="late", again=late), parked(third, key="no")
            )
            assert await store.parked.retries(NAME) == {"k": soon, "late": late}
            assert await store.parked.retries("another") == {}

    async def test_a_retry_is_requested(self, new_store: NewReadStore) -> None:
        """A requested retry concerns the first parked event of a key and ends with this event."""
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
        """An event that fails again keeps its place.

        Its reason, attempts and times are replaced, with or without a next attempt.
        """
        async with new_store([]) as store:
            first, second = events(2)
            await park(store, parked(first, again=TIME), parked(second))
            for attempts, time in ((4, TIME + timedelta(seconds=1)), (5, None)):
                again = parked(first, reason=f"KeyError: ü {attempts}", attempts=attempts, again=time)
                async with writing(store) as transaction:
                    await transaction.parked.update(NAME, again)
                assert await store.parked.read(NAME) == [again, parked(second)]
                assert await store.parked.retries(NAME) == ({"k": time} if time else {})

    async def test_an_edited_payload_is_stored(self, new_store: NewReadStore) -> None:
        """An edit replaces the data and the schema of one parked event, of one subscription, and keeps its record."""
        edits = Edit(TIME + timedelta(hours=1), "Zoë", "a “typo”"), Edit(TIME)
        async with new_store([]) as store:
            first, second = events(2)
            await park(store, parked(first, again=TIME), parked(second))
            await park(store, parked(first), of="another")
            for number, edit in enumerate(edits):
                event = first._replace(data=f'{{"text":"ü {number}"}}', schema=7 + number)
                edited = parked(event, again=TIME)._replace(edit=edit)
                async with writing(store) as transaction:
                    await transaction.parked.update(NAME, edited)
                assert await store.parked.read(NAME) == [edited, parked(second)]
                assert await store.parked.read("another") == [parked(first)]

    async def test_a_rollback_undoes_all_of_it(self, new_store: NewReadStore) -> None:
        """A rollback restores partitions, pending retries, reasons and deleted events."""
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
