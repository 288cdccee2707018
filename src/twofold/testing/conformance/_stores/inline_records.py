"""The records of inline projections, and the lock of the event log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from twofold.errors import InlineProjectionsChanged, ReadOnlyUnitOfWork, UnitOfWorkClosed
from twofold.ports import Expected, WriteStore, WriteTransaction

from .._tools.in_time import in_time
from .._tools.opened import NewStore, failed_savepoint, reading, undone, writing
from .event_log import event

LONG_ENOUGH = 0.3
"""Seconds to wait before a call counts as blocked."""


async def append(transaction: WriteTransaction, inline: int | None = None) -> None:
    """Append an event."""
    await transaction.log.append("some", [event()], expected=Expected.ANY, inline=inline)


async def waits_for(
    store: WriteStore, first: WriteTransaction, second: Callable[[WriteTransaction], Awaitable[Any]]
) -> Any:
    """Check that a call in another transaction waits for the first transaction to commit.

    Return the result of the call.
    """
    found: list[Any] = []

    async def call() -> None:
        async with writing(store) as transaction:
            found.append(await second(transaction))

    with in_time():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            await anyio.sleep(LONG_ENOUGH)
            assert not found
            await first.commit()
    return found[0]


class InlineRecordSuite:
    """The promises of a write store about the records of inline projections. Needs the fixture `new_store`."""

    async def test_a_record_is_kept(self, new_store: NewStore) -> None:
        """A record is visible after the commit and not before.

        The next record replaces it, and a deleted record is gone.
        """
        async with new_store([]) as store:
            assert await store.log.inline() == (0, {})
            async with writing(store) as transaction:
                await transaction.inline.record("totals", "a, b")
                await transaction.inline.record("TOTALS", "c")
                assert await store.log.inline() == (0, {})
            assert (await store.log.inline()).views == {"totals": "a, b", "TOTALS": "c"}
            async with writing(store) as transaction:
                await transaction.inline.record("totals", "a")
                assert await transaction.inline.delete("TOTALS")
                assert not await transaction.inline.delete("TOTALS")
            assert (await store.log.inline()).views == {"totals": "a"}

    async def test_a_record_that_is_undone_is_not_kept(self, new_store: NewStore) -> None:
        """A rollback, also of a savepoint, undoes stored and deleted records, and the generation."""
        async with new_store([]) as store:
            async with writing(store) as transaction:
                await transaction.inline.record("totals", "a")
                async with failed_savepoint(transaction):
                    await transaction.inline.record("totals", "b")
                    await transaction.inline.record("others", "c")
            before = await store.log.inline()
            async with undone(store) as transaction:
                assert await transaction.inline.delete("totals")
            assert await store.log.inline() == before == (before.generation, {"totals": "a"})

    async def test_each_change_has_a_generation(self, new_store: NewStore) -> None:
        """The generation increases when a record is added, replaced or deleted, and stays when nothing changes."""
        generations = [0]
        async with new_store([]) as store:
            for views in ("a", "b", "a"):
                for _ in range(2):
                    async with writing(store) as transaction:
                        await transaction.inline.record("totals", views)
                    generations.append((await store.log.inline()).generation)
            for _ in range(2):
                async with writing(store) as transaction:
                    await transaction.inline.delete("totals")
                generations.append((await store.log.inline()).generation)
        assert generations == sorted(generations)
        assert len(set(generations)) == 5

    async def test_an_append_of_another_generation_is_refused(self, new_store: NewStore) -> None:
        """An append that names an outdated generation is refused, whatever version it expects."""
        async with new_store([]) as store:
            async with writing(store) as transaction:
                await append(transaction, inline=0)
                await transaction.inline.record("totals", "a")
                await append(transaction)
            now, count = (await store.log.inline()).generation, 2
            for expected in (Expected.ANY, count, count + 7):
                async with undone(store) as transaction:
                    with pytest.raises(InlineProjectionsChanged) as caught:
                        await transaction.log.append("some", [event(), event()], expected=expected, inline=0)
                    assert (caught.value.expected, caught.value.actual) == (0, now)
            async with writing(store) as transaction:
                async with failed_savepoint(transaction):
                    with pytest.raises(InlineProjectionsChanged):
                        await append(transaction, inline=now + 1)
                await append(transaction, inline=now)
                await transaction.log.append("some", [event(), event()], expected=count + 1, inline=now)
            assert len((await store.log.read_all()).events) == count + 3

    async def test_holders_run_one_after_another(self, new_store: NewStore) -> None:
        """A second holder waits for the first, even if it holds more records, and reads the changes of the first."""

        async def hold(second: WriteTransaction) -> object:
            await second.inline.hold(["c", "a"])
            return (await store.log.inline()).views

        async with new_store([]) as store:
            async with writing(store) as transaction:
                for name in ("a", "b", "c"):
                    await transaction.inline.record(name, "1")
            async with undone(store) as first:
                await first.inline.hold(["b", "a"])
                await first.inline.record("a", "2")
                assert await waits_for(store, first, hold) == {"a": "2", "b": "1", "c": "1"}

    async def test_a_change_waits_for_holders(self, new_store: NewStore) -> None:
        """A record is not replaced or deleted while a transaction holds it.

        Two records of one name are stored one after another.
        """
        changes: list[Callable[[WriteTransaction], Awaitable[object]]] = [
            lambda second: second.inline.record("totals", "b"),
            lambda second: second.inline.delete("totals"),
        ]
        async with new_store([]) as store:
            for change in changes:
                async with undone(store) as first:
                    await first.inline.record("totals", "a")
                    await waits_for(store, first, change)
                async with writing(store) as transaction:
                    await transaction.inline.record("totals", "a")
                async with undone(store) as first:
                    await first.inline.hold(["totals"])
                    await waits_for(store, first, change)
            assert (await store.log.inline()).views == {}

    async def test_a_locked_log_takes_no_events(self, new_store: NewStore) -> None:
        """Appends wait while another transaction has locked the log. Its head does not move meanwhile.

        The changes of that transaction apply to an append that has waited.
        """
        refusals: list[InlineProjectionsChanged] = []

        async def refused(transaction: WriteTransaction) -> None:
            async with failed_savepoint(transaction):
                try:
                    await append(transaction, inline=0)
                except InlineProjectionsChanged as error:
                    refusals.append(error)

        async def appended(transaction: WriteTransaction) -> None:
            await append(transaction)

        async with new_store([]) as store:
            async with undone(store) as transaction:  # its position stays empty on some stores
                await append(transaction)
            async with writing(store) as transaction:
                await append(transaction)
            for late in (appended, refused):
                async with undone(store) as first:
                    await first.inline.record(late.__name__, "a")
                    await first.log.lock()
                    assert await store.log.head() == (await store.log.read_all()).events[-1].position
                    await waits_for(store, first, late)
            assert len(refusals) == 1
            assert len((await store.log.read_all()).events) == 2

    async def test_a_lock_waits_for_appends(self, new_store: NewStore) -> None:
        """The lock waits until every transaction that has appended has ended. The new owner then reads their events."""

        async def lock(transaction: WriteTransaction) -> int:
            await transaction.log.lock()
            return await store.log.head()

        async with new_store([]) as store, undone(store) as first:
            (stored,) = await first.log.append("some", [event()], expected=Expected.ANY)
            assert await waits_for(store, first, lock) == stored.position

    async def test_readers_and_the_dead_are_refused(self, new_store: NewStore) -> None:
        """A read-only transaction and an ended transaction refuse to change or hold a record."""
        async with new_store([]) as store:
            async with reading(store) as transaction:
                changes: list[Awaitable[object]] = [
                    transaction.inline.hold(["a"]), transaction.inline.record("a", ""), transaction.inline.delete("a"),
                    transaction.log.lock(),
                ]  # fmt: skip
                for change in changes:
                    with pytest.raises(ReadOnlyUnitOfWork):
                        await change
            with pytest.raises(UnitOfWorkClosed):
                await transaction.inline.hold(["a"])
