"""Unique values: claimed by one owner in one transaction, found by later ones, released and transferred by their owner."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TypeAlias

import anyio
import pytest

from twofold.errors import ReadOnlyUnitOfWork, UnitOfWorkClosed
from twofold.ports import LONGEST_KEY, UniqueValue, WriteStore, WriteTransaction

from .._tools.opened import NewStore, failed_savepoint, reading, undone, writing
from .event_log import event, stream_of
from .records import NAMES, waiting

NOON = datetime(2024, 5, 17, 12, 0, 0, 123456, tzinfo=UTC)

Use: TypeAlias = Callable[[WriteTransaction], Awaitable[object]]


def value_of(text: str = "v", *, owner: str = "o", time: datetime = NOON) -> UniqueValue:
    """Return the record of a value."""
    return UniqueValue(sha256(text.encode()).hexdigest(), "tenant", "😀" * LONGEST_KEY, owner, time)


VALUE = value_of()
BY_OTHER = value_of(owner="p")


async def claim(transaction: WriteTransaction) -> UniqueValue | None:
    """Claim the value for the first owner."""
    return await transaction.unique.claim(VALUE)


async def release(transaction: WriteTransaction) -> bool:
    """Release the value of the first owner."""
    return await transaction.unique.release(VALUE)


async def transfer(transaction: WriteTransaction) -> bool:
    """Transfer the value of the first owner to the other one."""
    return await transaction.unique.transfer(VALUE, to="p")


async def stored(store: WriteStore, value: UniqueValue = VALUE) -> UniqueValue | None:
    """Return the committed record of a value."""
    async with undone(store) as transaction:
        return await transaction.unique.claim(value)


class UniqueValueSuite:
    """The promises of a write store about unique values. Needs the fixture `new_store`."""

    async def test_a_claimed_value_is_found(self, new_store: NewStore) -> None:
        """A later claim returns the first record unchanged, to the character and the microsecond, also for its owner."""
        async with new_store([]) as store:
            async with writing(store) as transaction:
                assert await claim(transaction) is None
            later = VALUE._replace(time=NOON + timedelta(days=1))
            for again in (later, later._replace(owner="p")):
                async with writing(store) as transaction:
                    assert await transaction.unique.claim(again) == VALUE

    async def test_values_do_not_mix(self, new_store: NewStore) -> None:
        """Each key is a value of its own."""
        values = [value_of(f"{number}", owner=f"{number}") for number in range(5)]
        async with new_store([]) as store:
            async with writing(store) as transaction:
                assert [await transaction.unique.claim(each) for each in values] == [None] * 5
                assert await transaction.unique.release(values[2])
            assert [await stored(store, each) for each in values] == [*values[:2], None, *values[3:]]

    async def test_a_transaction_finds_its_own_changes(self, new_store: NewStore) -> None:
        """Within one transaction a value is claimed once, found, transferred, released and claimed again."""
        async with new_store([]) as store:
            async with writing(store) as transaction:
                assert await claim(transaction) is None
                assert await claim(transaction) == VALUE
                assert await transfer(transaction)
                assert await claim(transaction) == BY_OTHER
                assert await transaction.unique.release(BY_OTHER)
                assert await claim(transaction) is None
            assert await stored(store) == VALUE

    async def test_changes_go_with_their_transaction(self, new_store: NewStore) -> None:
        """A rollback, also of a savepoint, undoes claims, releases and transfers. A commit stores them with the events."""
        changes: tuple[tuple[Use, UniqueValue | None], ...] = ((claim, VALUE), (transfer, BY_OTHER))
        async with new_store([]) as store:
            before: UniqueValue | None = None
            for change, after in (*changes, (lambda each: each.unique.release(BY_OTHER), None)):
                async with undone(store) as transaction:
                    await change(transaction)
                assert await stored(store) == before
                async with writing(store) as transaction:
                    async with failed_savepoint(transaction):
                        await change(transaction)
                    await transaction.log.append("s", [event()], expected=len(await stream_of(store, "s")))
                assert await stored(store) == before
                async with writing(store) as transaction:
                    await change(transaction)
                assert await stored(store) == after
                before = after

    async def test_a_value_belongs_to_its_owner(self, new_store: NewStore) -> None:
        """Only the owner releases and transfers a value. Owners are compared by every character."""
        async with new_store([]) as store:
            for name in NAMES:
                async with writing(store) as transaction:
                    assert await transaction.unique.claim(value_of(owner=name)) is None
                async with writing(store) as transaction:
                    for other in NAMES:
                        if other != name:
                            assert not await transaction.unique.release(value_of(owner=other))
                            assert not await transaction.unique.transfer(value_of(owner=other), to="thief")
                assert await stored(store) == value_of(owner=name)
                async with writing(store) as transaction:
                    assert await transaction.unique.release(value_of(owner=name))
                    assert not await transaction.unique.release(value_of(owner=name))
                    assert not await transaction.unique.transfer(value_of(owner=name), to="nobody")

    async def test_a_transfer_changes_owner_and_time(self, new_store: NewStore) -> None:
        """A transfer keeps everything else. The owner before it has lost the value."""
        async with new_store([]) as store:
            async with writing(store) as transaction:
                await claim(transaction)
            later = NOON + timedelta(microseconds=1)
            async with writing(store) as transaction:
                assert await transaction.unique.transfer(VALUE._replace(time=later), to="p")
            assert await stored(store) == BY_OTHER._replace(time=later)
            async with writing(store) as transaction:
                assert not await release(transaction)
                assert await transaction.unique.release(BY_OTHER)

    async def test_a_second_claim_waits(self, new_store: NewStore) -> None:
        """Claims of other transactions wait for the first one. After its commit, they find its record."""
        async with new_store([]) as store:
            found: list[UniqueValue | None] = []

            async def second(transaction: WriteTransaction) -> None:
                found.append(await transaction.unique.claim(BY_OTHER))

            async with anyio.create_task_group() as tasks, writing(store) as transaction:
                assert await claim(transaction) is None
                for _ in range(3):
                    tasks.start_soon(waiting, store, second)
                await anyio.wait_all_tasks_blocked()
                assert not found
            assert found == [VALUE] * 3

    async def test_a_rollback_serves_the_next(self, new_store: NewStore) -> None:
        """After a rollback of the first claim, exactly one of the waiting transactions gets the value."""
        async with new_store([]) as store:
            free: list[bool] = []

            async def second(transaction: WriteTransaction) -> None:
                free.append(await claim(transaction) is None)

            async with anyio.create_task_group() as tasks, undone(store) as transaction:
                assert await claim(transaction) is None
                for _ in range(3):
                    tasks.start_soon(waiting, store, second)
                await anyio.wait_all_tasks_blocked()
                assert not free
            assert sorted(free) == [False, False, True]

    async def test_a_claim_waits_for_a_release(self, new_store: NewStore) -> None:
        """A claim of a released value waits for the release. It gets the value after a commit, not after a rollback."""
        async with new_store([]) as store:
            async with writing(store) as transaction:
                await claim(transaction)
            for ending, expected in ((undone, VALUE), (writing, None)):
                found: list[UniqueValue | None] = []

                async def second(transaction: WriteTransaction, found: list[UniqueValue | None] = found) -> None:
                    found.append(await transaction.unique.claim(BY_OTHER))

                async with anyio.create_task_group() as tasks, ending(store) as transaction:
                    assert await release(transaction)
                    tasks.start_soon(waiting, store, second)
                    await anyio.wait_all_tasks_blocked()
                    assert not found
                assert found == [expected]
            assert await stored(store) == BY_OTHER

    async def test_changes_need_a_transaction_that_writes(self, new_store: NewStore) -> None:
        """A read-only transaction and an ended transaction refuse every change."""
        async with new_store([]) as store:
            for use in (claim, release, transfer):
                async with reading(store) as transaction:
                    with pytest.raises(ReadOnlyUnitOfWork):
                        await use(transaction)
                async with writing(store) as transaction:
                    pass
                with pytest.raises(UnitOfWorkClosed):
                    await use(transaction)
