"""The schedule of a store: entries are stored, found in order, and claimed once, each within its transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import TypeAlias
from uuid import UUID, uuid4

import anyio
import pytest

from twofold.errors import ReadOnlyUnitOfWork, UnitOfWorkClosed
from twofold.ports import ScheduledCommand, WriteStore, WriteTransaction

from .._tools.opened import NewStore, failed_savepoint, reading, undone, writing
from .event_log import event
from .records import NAMES, waiting

NOON = datetime(2024, 5, 17, 12, 0, 0, 123456, tzinfo=UTC)

Change: TypeAlias = Callable[[WriteTransaction], Awaitable[object]]


def entry(id: str = "e", *, minutes: float = 0, tenant: str = "", entry: UUID | None = None) -> ScheduledCommand:
    """Return an entry that is due `minutes` after noon."""
    due, fields = NOON + timedelta(minutes=minutes), '{"note": "naïve ☕", "amount": "1.50"}'
    return ScheduledCommand(tenant, id, entry or uuid4(), due, "test.remind", 2, fields, '{"tenant": "é"}', due)


async def put(store: WriteStore, *entries: ScheduledCommand) -> None:
    """Store entries in a separate transaction."""
    async with writing(store) as transaction:
        for each in entries:
            await transaction.schedule.put(each)


async def ids(store: WriteStore) -> list[str]:
    """Return the ids of the entries that are due next."""
    return [each.id for each in await store.schedule.next(limit=100)]


class ScheduleSuite:
    """The promises of a write store about scheduled commands. Needs the fixture `new_store`."""

    async def test_an_entry_comes_back_unchanged(self, new_store: NewStore) -> None:
        """Every field of an entry is returned unchanged, to the character and the microsecond."""
        async with new_store([]) as store:
            first = entry("one", tenant="blue")
            later = entry("two", minutes=1)._replace(again=NOON + timedelta(days=1), attempts=3, reason="Bad: ☕\n")
            await put(store, later, first)
            assert await store.schedule.next(limit=9) == [first, later]

    async def test_entries_come_in_order(self, new_store: NewStore) -> None:
        """Entries are listed by time, entries with the same time by id, and at most `limit` of them."""
        async with new_store([]) as store:
            for name, minutes in (("c", 2), ("b", 1), ("d", 1), ("a", 3)):
                await put(store, entry(name, minutes=minutes))
            assert await ids(store) == ["b", "d", "c", "a"]
            assert [each.id for each in await store.schedule.next(limit=2)] == ["b", "d"]

    async def test_an_id_holds_one_entry(self, new_store: NewStore) -> None:
        """Scheduling with an existing id replaces the entry, also within one transaction.

        Other tenants keep their entries.
        """
        async with new_store([]) as store:
            blue, second, third = entry(tenant="blue"), entry(minutes=1), entry(minutes=2)
            await put(store, blue, entry(), second)
            assert await store.schedule.next(limit=9) == [blue, second]
            await put(store, third)
            assert await store.schedule.next(limit=9) == [blue, third]

    async def test_ids_are_exact(self, new_store: NewStore) -> None:
        """Ids that differ only in case, accents, a trailing space or the last of many characters are different ids."""
        async with new_store([]) as store:
            await put(store, *[entry(name, tenant=tenant) for name in NAMES for tenant in NAMES])
            found = await store.schedule.next(limit=1000)
            assert {(each.tenant, each.id) for each in found} == set(product(NAMES, NAMES))
            async with writing(store) as transaction:
                for tenant, name in product(NAMES, NAMES):
                    assert await transaction.schedule.cancel(tenant, name)
            assert await ids(store) == []

    async def test_a_removed_entry_is_not_dispatched(self, new_store: NewStore) -> None:
        """Removing an entry returns True once. Removing it again, or removing an unknown entry, returns False."""
        async with new_store([]) as store:
            await put(store, entry("a"), entry("b"), entry("b", tenant="blue"))
            async with writing(store) as transaction:
                assert await transaction.schedule.cancel("", "b")
                assert not await transaction.schedule.cancel("", "b")
                assert not await transaction.schedule.cancel("blue", "a")
            assert [(each.tenant, each.id) for each in await store.schedule.next(limit=9)] == [("", "a"), ("blue", "b")]

    async def test_only_this_very_entry_is_taken(self, new_store: NewStore) -> None:
        """An entry can be claimed once. A later entry with the same id is a different entry and stays."""
        async with new_store([]) as store:
            first, second = entry(), entry()
            await put(store, first)
            async with writing(store) as transaction:
                assert await transaction.schedule.take(first)
                assert not await transaction.schedule.take(first)
            await put(store, second)
            async with writing(store) as transaction:
                assert not await transaction.schedule.take(first)
                assert not await transaction.schedule.postpone(first, again=None, attempts=1, reason="stale")
            assert await store.schedule.next(limit=9) == [second]

    async def test_one_of_several_takes_an_entry(self, new_store: NewStore) -> None:
        """Exactly one of several concurrent transactions claims an entry.

        If it rolls back, another one can claim the entry.
        """
        async with new_store([]) as store:
            wanted, taken = entry(), list[bool]()
            await put(store, wanted)

            async def take(transaction: WriteTransaction) -> None:
                taken.append(await transaction.schedule.take(wanted))

            async with undone(store) as transaction:
                await take(transaction)
            async with anyio.create_task_group() as tasks:
                for _ in range(5):
                    tasks.start_soon(waiting, store, take)
            assert (taken[0], sorted(taken[1:])) == (True, [False] * 4 + [True])
            assert await ids(store) == []

    async def test_a_removal_waits_for_a_dispatch(self, new_store: NewStore) -> None:
        """Removing an entry waits for the transaction that claims it, and then returns the outcome."""
        async with new_store([]) as store:
            for ending, removes in ((writing, False), (undone, True)):
                wanted, removed = entry(), list[bool]()
                await put(store, wanted)

                async def remove(transaction: WriteTransaction, removed: list[bool] = removed) -> None:
                    removed.append(await transaction.schedule.cancel("", "e"))

                async with anyio.create_task_group() as tasks, ending(store) as transaction:
                    assert await transaction.schedule.take(wanted)
                    tasks.start_soon(waiting, store, remove)
                    await anyio.wait_all_tasks_blocked()
                    assert not removed
                assert removed == [removes]

    async def test_changes_go_with_their_transaction(self, new_store: NewStore) -> None:
        """A rollback, also of a savepoint, undoes changes of the schedule. A commit stores them."""
        there, other = entry("there"), entry("other", minutes=1)
        changes: list[Change] = [
            lambda transaction: transaction.schedule.put(other),
            lambda transaction: transaction.schedule.cancel("", "there"),
            lambda transaction: transaction.schedule.take(there),
            lambda transaction: transaction.schedule.postpone(there, again=None, attempts=9, reason="x"),
        ]
        async with new_store([]) as store:
            for number, change in enumerate(changes, 1):
                await put(store, there)
                async with undone(store) as transaction:
                    await change(transaction)
                assert await store.schedule.next(limit=9) == [there]
                async with writing(store) as transaction:
                    async with failed_savepoint(transaction):
                        await change(transaction)
                    await transaction.log.append("s", [event()], expected=number - 1)
                assert await store.schedule.next(limit=9) == [there]
            async with writing(store) as transaction:
                await changes[0](transaction)
                await changes[1](transaction)
                assert await store.schedule.next(limit=9) == [there]
            assert await store.schedule.next(limit=9) == [other]

    async def test_a_postponed_entry_is_due_later_or_stuck(self, new_store: NewStore) -> None:
        """A postponed entry is due at its new time.

        Entries without a new time are stuck, and are listed by their original times.
        """
        async with new_store([]) as store:
            a, b, c = entry("a"), entry("b", minutes=1), entry("c", minutes=2)
            await put(store, a, b, c)
            later = NOON + timedelta(hours=1)
            async with writing(store) as transaction:
                assert await transaction.schedule.postpone(a, again=later, attempts=1, reason="Oh: ☕")
                assert await transaction.schedule.postpone(c, again=None, attempts=8, reason="Ah")
                assert await transaction.schedule.postpone(b, again=None, attempts=9, reason="Eh")
            assert await store.schedule.next(limit=9) == [a._replace(again=later, attempts=1, reason="Oh: ☕")]
            stuck_b, stuck_c = await store.schedule.stuck(limit=9)
            assert stuck_b == b._replace(again=None, attempts=9, reason="Eh")
            assert stuck_c == c._replace(again=None, attempts=8, reason="Ah")
            assert [each.id for each in await store.schedule.stuck(limit=1)] == ["b"]
            async with writing(store) as transaction:
                assert await transaction.schedule.postpone(stuck_b, again=NOON, attempts=0, reason="")
            assert await ids(store) == ["b", "a"]

    async def test_changes_need_a_transaction_that_writes(self, new_store: NewStore) -> None:
        """A read-only transaction and an ended transaction refuse to change the schedule."""
        there = entry()
        changes: list[Change] = [
            lambda transaction: transaction.schedule.put(there),
            lambda transaction: transaction.schedule.cancel("", "e"),
            lambda transaction: transaction.schedule.take(there),
            lambda transaction: transaction.schedule.postpone(there, again=None, attempts=9, reason="x"),
        ]
        async with new_store([]) as store:
            await put(store, there)
            for change in changes:
                async with reading(store) as transaction:
                    with pytest.raises(ReadOnlyUnitOfWork):
                        await change(transaction)
                async with writing(store) as transaction:
                    pass
                with pytest.raises(UnitOfWorkClosed):
                    await change(transaction)
            assert await store.schedule.next(limit=9) == [there]
