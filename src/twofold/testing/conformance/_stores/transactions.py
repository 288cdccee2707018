"""Transactions of a write store: all or nothing, and invisible before the commit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from twofold._definitions.aggregate import Aggregate
from twofold._definitions.view import View
from twofold.errors import ConcurrencyConflict, DuplicateEvent, ReadOnlyUnitOfWork, UnitOfWorkClosed, UnitOfWorkDoomed
from twofold.ports import START, Checkpoint, Expected, Position, RowChange, WriteStore, WriteTransaction

from .._tools.in_time import in_time
from .._tools.opened import NewStore, failed_savepoint, reading, undone, writing
from .event_log import append, event, stream_of


class Kept(Aggregate, name="kept"):
    """An aggregate with a state."""

    id: str
    size: int


class Shown(View, name="suite_shown", key="id"):
    """A row."""

    id: str


def kept(id: str) -> Kept:
    """Return an aggregate."""
    aggregate = Kept()
    aggregate.id, aggregate.size = id, 1
    return aggregate


async def write_everything(transaction: WriteTransaction, id: str = "1") -> None:
    """Write state, a row, a checkpoint and an event."""
    await transaction.state(Kept).insert(id, kept(id))
    await transaction.rows(Shown).write([RowChange(id, Shown(id=id), Position(1))])
    await transaction.checkpoints.advance(f"sub-{id}", expected=None, to=Checkpoint(Position(1), "log"))
    await transaction.log.append(f"kept-{id}", [event()], expected=0)


async def written(store: WriteStore, id: str = "1") -> list[bool]:
    """Return which of state, row, checkpoint and event exist."""
    async with reading(store) as transaction:
        return [
            await transaction.state(Kept).load(id) is not None,
            bool(await transaction.rows(Shown).get_many([id])),
            await store.subscriptions.checkpoint(f"sub-{id}") is not None,
            bool(await stream_of(store, f"kept-{id}")),
        ]


WRITES: dict[str, Callable[[WriteTransaction], Awaitable[Any]]] = {
    "state": lambda transaction: transaction.state(Kept).insert("2", kept("2")),
    "row": lambda transaction: transaction.rows(Shown).write([RowChange("2", Shown(id="2"), Position(1))]),
    "checkpoint": lambda transaction: transaction.checkpoints.advance(
        "s", expected=None, to=Checkpoint(Position(1), "log")
    ),
    "event": lambda transaction: transaction.log.append("kept-2", [event()], expected=Expected.ANY),
}


class TransactionSuite:
    """The promises of every transaction of a write store."""

    async def test_a_commit_keeps_everything(self, new_store: NewStore) -> None:
        """State, rows, checkpoint and events all exist after the commit, and none of them exists before."""
        async with new_store([Shown]) as store:
            async with writing(store) as transaction:
                await write_everything(transaction)
                assert await written(store) == [False] * 4
            assert await written(store) == [True] * 4

    async def test_a_rollback_keeps_nothing(self, new_store: NewStore) -> None:
        """None of state, rows, checkpoint and events exists after a rollback."""
        async with new_store([Shown]) as store:
            async with undone(store) as transaction:
                await write_everything(transaction)
            assert await written(store) == [False] * 4
            async with writing(store) as transaction:
                await write_everything(transaction)
            assert await written(store) == [True] * 4

    async def test_a_failure_in_the_middle_keeps_nothing(self, new_store: NewStore) -> None:
        """A conflict undoes the earlier writes of its transaction."""
        async with new_store([Shown]) as store:
            await append(store, "taken", [event()])
            with pytest.raises(ConcurrencyConflict):
                async with writing(store) as transaction:
                    await write_everything(transaction)
                    await transaction.log.append("taken", [event()], expected=0)
            assert await written(store) == [False] * 4

    async def test_a_broken_transaction_can_only_be_rolled_back(self, new_store: NewStore) -> None:
        """After a refused append, every use except the rollback raises. A partial commit is impossible."""
        async with new_store([Shown]) as store:
            first = event()
            await append(store, "taken", [first])
            for error, events, expected in (
                (ConcurrencyConflict, [event()], 0),
                (DuplicateEvent, [first], Expected.ANY),
            ):
                async with undone(store) as transaction:
                    await write_everything(transaction)
                    with pytest.raises(error):
                        await transaction.log.append("taken", events, expected=expected)
                    for write in WRITES.values():
                        with pytest.raises(UnitOfWorkDoomed):
                            await write(transaction)
                    with pytest.raises(UnitOfWorkDoomed):
                        await transaction.commit()
                assert await written(store) == [False] * 4

    async def test_an_undone_savepoint(self, new_store: NewStore) -> None:
        """A failed savepoint undoes its events, state, rows and checkpoint.

        Other writes of the transaction are committed.
        """
        async with new_store([Shown]) as store:
            async with writing(store) as transaction:
                await write_everything(transaction, "1")
                async with failed_savepoint(transaction):
                    await write_everything(transaction, "2")
                await transaction.log.append("kept-1", [event()], expected=1)
            assert await written(store, "1") == [True] * 4
            assert await written(store, "2") == [False] * 4
            assert len(await stream_of(store, "kept-1")) == 2

    async def test_own_events_are_seen(self, new_store: NewStore) -> None:
        """A transaction reads the events that it appended, after the events that existed before."""
        async with new_store([]) as store:
            await append(store, "s-1", [event()])
            async with writing(store) as transaction:
                await transaction.log.append("s-1", [event()], expected=1)
                assert [each.version async for each in transaction.log.read("s-1")] == [1, 2]
                assert [each.version async for each in transaction.log.read("s-1", after=1)] == [2]
                assert len(await stream_of(store, "s-1")) == 1

    async def test_an_ended_transaction_stays_ended(self, new_store: NewStore) -> None:
        """Rolling back twice, or after the commit, does nothing. Any other use of an ended transaction raises."""
        async with new_store([Shown]) as store:
            transaction = await store.begin()
            await write_everything(transaction)
            await transaction.commit()
            await transaction.rollback()
            await transaction.rollback()
            assert await written(store) == [True] * 4
            for write in WRITES.values():
                with pytest.raises(UnitOfWorkClosed):
                    await write(transaction)
            with pytest.raises(UnitOfWorkClosed):
                await transaction.commit()

    async def test_a_reading_transaction_refuses_to_write(self, new_store: NewStore) -> None:
        """A read-only transaction refuses every kind of write."""
        async with new_store([Shown]) as store:
            for write in WRITES.values():
                async with reading(store) as transaction:
                    with pytest.raises(ReadOnlyUnitOfWork):
                        await write(transaction)
            assert await store.log.head() == START
            assert await written(store, "2") == [False] * 4

    async def test_a_reading_transaction_sees_one_state(self, new_store: NewStore) -> None:
        """A read-only transaction keeps seeing the state of its first read while others commit, and blocks no writer."""
        async with new_store([Shown]) as store, reading(store) as transaction:
            assert not await transaction.rows(Shown).get_many(["1"])
            async with writing(store) as other:
                await write_everything(other)
            assert not await transaction.rows(Shown).get_many(["1"])
            assert await transaction.state(Kept).load("1") is None
            assert await written(store) == [True] * 4

    async def test_a_cancelled_writer_delays_no_other_writer(self, new_store: NewStore) -> None:
        """A task that is cancelled while it writes, or while it waits for a lock, leaves no lock behind."""
        async with new_store([Shown]) as store:
            holding = anyio.Event()

            async def hold() -> None:
                async with undone(store) as transaction:
                    await write_everything(transaction, "9")
                    holding.set()
                    await anyio.sleep_forever()

            async def queue() -> None:
                async with undone(store) as transaction:
                    await write_everything(transaction, "8")
                    await anyio.sleep_forever()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(hold)
                await holding.wait()
                tasks.start_soon(queue)
                await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
            with in_time():
                async with writing(store) as transaction:
                    await write_everything(transaction)
            assert await written(store) == [True] * 4
            assert await written(store, "9") == [False] * 4
