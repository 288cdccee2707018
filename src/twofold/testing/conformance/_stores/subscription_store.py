"""Checkpoints and parked events: one worker moves a checkpoint, in the same transaction as its effects."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import anyio
import pytest

from twofold.errors import CheckpointMoved, ReadOnlyUnitOfWork
from twofold.ports import Checkpoint, ParkedEvent, Position, ReadStore, RowChange, StoredEvent

from .._domain.row_samples import Task, all_of
from .._tools.capabilities import Capabilities
from .._tools.opened import NewReadStore, NewStore, failed_savepoint, reading, undone, writing

NAME = "mail"
TIME = datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=UTC)


async def advance(store: ReadStore, expected: Checkpoint | None, to: Checkpoint, *, of: str = NAME) -> None:
    """Commit a checkpoint."""
    async with writing(store) as transaction:
        await transaction.checkpoints.advance(of, expected=expected, to=to)


async def park(store: ReadStore, *events: ParkedEvent, of: str = NAME) -> None:
    """Commit parked events."""
    async with writing(store) as transaction:
        await transaction.parked.add(of, events)


def events(number: int) -> list[StoredEvent]:
    """Return stored events."""
    return [
        StoredEvent(
            UUID(int=2**100 + index), "conformance.happened", 1 + index, f'{{"text":"Grüße 🚲 {index}"}}',
            f'{{"tenant":"ä{index}"}}', TIME + timedelta(seconds=index), "stream-é", 1 + index, Position(2**53 + index),
        )
        for index in range(number)
    ]  # fmt: skip


def parked(
    event: StoredEvent,
    key: str = "k",
    reason: str = "ValueError: nö",
    attempts: int = 0,
    again: datetime | None = None,
) -> ParkedEvent:
    """Return an event as a parked event."""
    return ParkedEvent(event, key, reason, attempts, TIME + timedelta(minutes=attempts), again)


def at(position: int, log: str = "log-1", parked: int = 0) -> Checkpoint:
    """Return a checkpoint."""
    return Checkpoint(Position(position), log, parked)


class SubscriptionStoreSuite:
    """The promises of every store about checkpoints and parked events. Needs `new_store` and `capabilities`."""

    async def test_a_checkpoint_survives(self, new_store: NewReadStore) -> None:
        """A checkpoint is returned with its position, its log and its number of parked events."""
        async with new_store([]) as store:
            assert await store.subscriptions.checkpoint(NAME) is None
            places = at(0), at(5, "other log", 2), at(2**53 + 1, "é" * 36, 1000)
            before: Checkpoint | None = None
            for to in places:
                await advance(store, before, to)
                assert await store.subscriptions.checkpoint(NAME) == to
                before = to

    async def test_a_wrong_expectation_is_refused(self, new_store: NewReadStore) -> None:
        """A checkpoint moves only from its expected state: position, log and number of parked events, or no checkpoint."""
        stands = at(5, "log-1", 1)
        async with new_store([]) as store:
            with pytest.raises(CheckpointMoved):
                await advance(store, at(0), at(9))
            assert await store.subscriptions.checkpoint(NAME) is None
            await advance(store, None, stands)
            for wrong in (None, at(4, parked=1), at(6, parked=1), at(5, "log-2", 1), at(5, parked=0)):
                with pytest.raises(CheckpointMoved):
                    await advance(store, wrong, at(9))
                assert await store.subscriptions.checkpoint(NAME) == stands
            await advance(store, stands, at(6))
            assert await store.subscriptions.checkpoint(NAME) == at(6)

    async def test_a_refused_advance_leaves_nothing(self, new_store: NewReadStore) -> None:
        """A refused checkpoint undoes the rows and the parked events of its transaction."""
        async with new_store([Task]) as store:
            (event,) = events(1)
            await advance(store, None, at(5))
            for expected in (None, at(4)):
                async with undone(store) as transaction:
                    await transaction.rows(Task).write([RowChange("a", Task(id="a"), Position(5))])
                    await transaction.parked.add(NAME, [parked(event)])
                    await transaction.checkpoints.advance("another", expected=None, to=at(1))
                    with pytest.raises(CheckpointMoved):
                        await transaction.checkpoints.advance(NAME, expected=expected, to=at(9))
                assert await all_of(store, Task) == {}
                assert await store.parked.read(NAME) == []
                assert await store.subscriptions.checkpoint("another") is None

    async def test_several_steps_in_one_transaction(self, new_store: NewReadStore) -> None:
        """A transaction that moves a checkpoint twice expects its own first write at the second move."""
        async with new_store([]) as store:
            async with writing(store) as transaction:
                await transaction.checkpoints.advance(NAME, expected=None, to=at(1))
                await transaction.checkpoints.advance(NAME, expected=at(1), to=at(2))
            assert await store.subscriptions.checkpoint(NAME) == at(2)

    async def test_one_of_two_first_workers_wins(self, new_store: NewReadStore) -> None:
        """Exactly one of two workers that start a subscription at the same time wins. The other one writes nothing."""
        async with new_store([Task]) as store:
            await self._race(store, None)

    async def test_one_of_two_workers_wins(self, new_store: NewReadStore) -> None:
        """Exactly one of two workers that resume from the same checkpoint wins. The other one writes nothing."""
        async with new_store([Task]) as store:
            await advance(store, None, at(1))
            await self._race(store, at(1))

    async def test_checkpoint_and_rows_commit_together(self, new_store: NewReadStore) -> None:
        """The checkpoint, its rows and its parked events become visible together, at the commit."""
        async with new_store([Task]) as store:
            (event,) = events(1)
            async with writing(store) as transaction:
                await transaction.rows(Task).write([RowChange("a", Task(id="a"), Position(3))])
                await transaction.parked.add(NAME, [parked(event)])
                await transaction.checkpoints.advance(NAME, expected=None, to=at(3, parked=1))
                assert await store.subscriptions.checkpoint(NAME) is None
                assert await store.parked.read(NAME) == []
                assert await store.parked.keys(NAME) == {}
                assert await all_of(store, Task) == {}
            assert await store.subscriptions.checkpoint(NAME) == at(3, parked=1)
            assert await store.parked.read(NAME) == [parked(event)]
            assert await store.parked.keys(NAME) == {"k": 1}
            assert await all_of(store, Task) == {"a": Task(id="a")}

    async def test_a_rollback_undoes_everything(self, new_store: NewReadStore) -> None:
        """A rollback restores checkpoint, rows and parked events."""
        async with new_store([Task]) as store:
            first, second = events(2)
            await advance(store, None, at(1))
            await park(store, parked(first))
            async with undone(store) as transaction:
                await transaction.rows(Task).write([RowChange("a", Task(id="a"), Position(3))])
                await transaction.parked.add(NAME, [parked(second)])
                await transaction.checkpoints.advance(NAME, expected=at(1), to=at(3))
            assert await store.subscriptions.checkpoint(NAME) == at(1)
            assert await store.parked.read(NAME) == [parked(first)]
            assert await all_of(store, Task) == {}
            await advance(store, at(1), at(3))

    async def test_parked_events_survive_whole(self, new_store: NewReadStore) -> None:
        """A parked event is returned with the whole event, its key, reason, attempts and times."""
        async with new_store([]) as store:
            stored = events(3)
            given = [
                parked(event, f"ä-{n}", f"E{n}: " + "ö" * 3000 * n, n, TIME - timedelta(days=n) if n else None)
                for n, event in enumerate(stored)
            ]
            await park(store, *given)
            found = await store.parked.read(NAME)
            assert found == given
            assert found[0].event.time.tzinfo is not None
            assert [each.again is None or each.again.tzinfo is not None for each in found] == [True] * 3

    async def test_parked_events_keep_their_order(self, new_store: NewReadStore) -> None:
        """Parked events are listed in the order of parking, for one key and for all keys."""
        async with new_store([]) as store:
            stored = events(9)
            order = [parked(stored[n], key="zxy"[n % 3]) for n in (4, 1, 7, 0, 8, 3, 2, 6, 5)]
            for start in range(0, 9, 2):
                await park(store, *order[start : start + 2])
            assert await store.parked.read(NAME) == order
            for key in "xyz":
                assert await store.parked.read(NAME, key=key) == [each for each in order if each.key == key]

    async def test_parked_events_are_read_in_pages(self, new_store: NewReadStore) -> None:
        """Pages of any size return each event once, in the order of parking, also those of one key or of one error."""
        async with new_store([]) as store:
            stored = events(9)
            order = [
                parked(stored[n], key="zxy"[n % 3], reason=("Timeout: a", "Timeouts: b", "Other: Timeout: c")[n % 2])
                for n in (4, 1, 7, 0, 8, 3, 2, 6, 5)
            ]
            await park(store, parked(stored[0], reason="Timeout: elsewhere"), of="another")
            await park(store, *order[:5])
            await park(store, *order[5:])

            async def pages(size: int, **filters: str) -> list[ParkedEvent]:
                found, after = list[ParkedEvent](), None
                while page := await store.parked.read(NAME, after=after, limit=size, **filters):
                    found += page
                    assert len(page) <= size
                    assert len(found) <= len(order)
                    after = page[-1].event.position
                return found

            timeouts = [each for each in order if each.reason.startswith("Timeout:")]
            for size in (1, 2, 9, 10):
                assert await pages(size) == order
                assert await pages(size, key="x") == [each for each in order if each.key == "x"]
                assert await pages(size, error="Timeout") == timeouts
                assert await pages(size, error="Timeout", key="y") == [each for each in timeouts if each.key == "y"]
            for absent in ("timeout", "Time", "Other: Timeout", "T%"):
                assert await store.parked.read(NAME, error=absent) == []
            assert await store.parked.read(NAME, after=order[6].event.position) == order[7:]
            assert await store.parked.read(NAME, after=order[8].event.position) == []

    async def test_a_page_after_an_event_that_is_gone_is_refused(self, new_store: NewReadStore) -> None:
        """A page cannot continue after an event that is not parked, also if there is none."""
        async with new_store([]) as store:
            first, second = events(2)
            for _ in range(2):
                with pytest.raises(LookupError, match=str(first.position)):
                    await store.parked.read(NAME, after=first.position, limit=1)
                await park(store, parked(second))
            assert await store.parked.read(NAME, after=second.position) == []
            async with writing(store) as transaction:
                await transaction.parked.remove(NAME, [second.position])
                await transaction.checkpoints.advance(NAME, expected=None, to=at(9))
            with pytest.raises(LookupError, match=str(second.position)):
                await store.parked.read(NAME, after=second.position)

    async def test_parked_keys(self, new_store: NewReadStore) -> None:
        """The keys with parked events are listed with their counts. A key without parked events is not found."""
        async with new_store([]) as store:
            assert await store.parked.keys(NAME) == {}
            stored = events(3)
            await park(store, parked(stored[0], "a"), parked(stored[1], "é"), parked(stored[2], "a"))
            assert await store.parked.keys(NAME) == {"a": 2, "é": 1}
            assert await store.parked.read(NAME, key="A") == []
            assert await store.parked.read(NAME, key="") == []

    async def test_parking_twice_keeps_the_first(self, new_store: NewReadStore) -> None:
        """Parking a parked event again changes nothing, within one transaction or in a later one."""
        async with new_store([]) as store:
            first, second = events(2)
            await park(store, parked(first, reason="first"), parked(first, reason="again"))
            await park(store, parked(first, key="other", reason="later", attempts=3), parked(second))
            assert await store.parked.read(NAME) == [parked(first, reason="first"), parked(second)]
            assert await store.parked.keys(NAME) == {"k": 2}

    async def test_parking_nothing(self, new_store: NewReadStore) -> None:
        """Parking no events succeeds."""
        async with new_store([]) as store:
            await park(store)
            assert await store.parked.read(NAME) == []

    async def test_subscriptions_do_not_mix(self, new_store: NewReadStore) -> None:
        """Each subscription has its own checkpoint and its own parked events, even of the same event."""
        names = "mail", "Mail", "mail ", "mäil", "orders.mail"
        async with new_store([]) as store:
            stored = events(len(names))
            for number, (name, event) in enumerate(zip(names, stored, strict=True)):
                await advance(store, None, at(number), of=name)
                await park(store, parked(stored[0], reason=name), parked(event, key=name), of=name)
            for number, (name, event) in enumerate(zip(names, stored, strict=True)):
                assert await store.subscriptions.checkpoint(name) == at(number)
                second = [parked(event, key=name)] if number else []
                assert await store.parked.read(name) == [parked(stored[0], reason=name), *second]
                assert await store.parked.keys(name) == ({"k": 1, name: 1} if number else {"k": 1})

    async def test_a_savepoint_undoes_parking(self, new_store: NewStore, capabilities: Capabilities) -> None:
        """A failed savepoint rolls back parked events and checkpoints, which can be written again."""
        if not capabilities.savepoints:
            pytest.skip("the adapter has no savepoints")
        async with new_store([]) as store:
            first, second = events(2)
            async with writing(store) as transaction:
                await transaction.parked.add(NAME, [parked(first)])
                async with failed_savepoint(transaction):
                    await transaction.parked.add(NAME, [parked(second, reason="undone")])
                    await transaction.checkpoints.advance(NAME, expected=None, to=at(9))
                await transaction.parked.add(NAME, [parked(second, reason="kept")])
                await transaction.checkpoints.advance(NAME, expected=None, to=at(2, parked=2))
            assert await store.parked.read(NAME) == [parked(first), parked(second, reason="kept")]
            assert await store.subscriptions.checkpoint(NAME) == at(2, parked=2)

    async def test_a_reader_cannot_write(self, new_store: NewReadStore) -> None:
        """A read-only transaction refuses to move a checkpoint and to park events."""
        async with new_store([]) as store:
            (event,) = events(1)
            with pytest.raises(ReadOnlyUnitOfWork):
                async with reading(store) as transaction:
                    await transaction.checkpoints.advance(NAME, expected=None, to=at(1))
            with pytest.raises(ReadOnlyUnitOfWork):
                async with reading(store) as transaction:
                    await transaction.parked.add(NAME, [parked(event)])
            assert await store.subscriptions.checkpoint(NAME) is None
            assert await store.parked.read(NAME) == []

    async def _race(self, store: ReadStore, stands: Checkpoint | None) -> None:
        ready: set[str] = set()
        both_ready = anyio.Event()
        won: list[str] = []
        lost: list[str] = []

        async def work(worker: str) -> None:
            expected = await store.subscriptions.checkpoint(NAME)
            assert expected == stands
            ready.add(worker)
            if len(ready) == 2:
                both_ready.set()
            await both_ready.wait()
            try:
                async with writing(store) as transaction:
                    await transaction.rows(Task).write([RowChange(worker, Task(id=worker), Position(2))])
                    await transaction.checkpoints.advance(NAME, expected=expected, to=at(2, f"log of {worker}"))
            except CheckpointMoved:
                lost.append(worker)
            else:
                won.append(worker)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(work, "a")
            tasks.start_soon(work, "b")

        assert (len(won), len(lost)) == (1, 1)
        assert list(await all_of(store, Task)) == won
        assert await store.subscriptions.checkpoint(NAME) == at(2, f"log of {won[0]}")
