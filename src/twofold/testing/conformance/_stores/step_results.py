"""Outcomes of durable steps: the first one is kept, later transactions find it, and it is deleted with its input."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeAlias
from uuid import UUID

import anyio
import pytest

from twofold.errors import ReadOnlyUnitOfWork, UnitOfWorkClosed
from twofold.ports import StepRecord, WriteStore, WriteTransaction

from .._tools.opened import NewStore, failed_savepoint, reading, undone, writing
from .records import NAMES, waiting

NOON = datetime(2024, 5, 17, 12, 0, 0, 123456, tzinfo=UTC)
INPUT = UUID("018f8a5e-0000-7000-8000-000000000001")
OTHER_INPUT = UUID("018f8a5e-0000-7000-8000-000000000002")

BEGUN = StepRecord("payments", INPUT, "charge", "begun", None, NOON)
KEPT = BEGUN._replace(state="kept", outcome='{"total": "1.50", "note": "naïve ☕"}')
FAILED = KEPT._replace(state="failed", outcome='["Declined", "no money"]', time=NOON + timedelta(microseconds=1))
UNSTORABLE = KEPT._replace(state="unstorable", outcome='"it has no JSON"')
EMPTY = KEPT._replace(outcome="null")

Use: TypeAlias = Callable[[WriteTransaction], Awaitable[object]]


async def begin(transaction: WriteTransaction) -> StepRecord | None:
    """Begin the step."""
    return await transaction.steps.begin(BEGUN)


async def keep(transaction: WriteTransaction) -> StepRecord:
    """Keep the result of the step."""
    return await transaction.steps.keep(KEPT)


async def delete(transaction: WriteTransaction) -> int:
    """Delete the records of the input."""
    return await transaction.steps.delete("payments", INPUT)


async def stored(store: WriteStore) -> list[StepRecord]:
    """Return the committed records of the input."""
    return list(await store.steps.read("payments", INPUT))


class StepResultSuite:
    """The promises of a write store about the outcomes of durable steps. Needs the fixture `new_store`."""

    async def test_an_outcome_is_read_again(self, new_store: NewStore) -> None:
        """A committed outcome is read unchanged, to the character and the microsecond, whatever its state is."""
        async with new_store([]) as store:
            for record in (KEPT, FAILED, UNSTORABLE, EMPTY):
                async with writing(store) as transaction:
                    assert await transaction.steps.keep(record) == record
                assert await stored(store) == [record]
                async with writing(store) as transaction:
                    assert await delete(transaction) == 1
                assert await stored(store) == []

    async def test_the_first_outcome_stays(self, new_store: NewStore) -> None:
        """A later outcome is not stored, and `keep` returns the first one, also within its transaction."""
        async with new_store([]) as store:
            async with writing(store) as transaction:
                assert await keep(transaction) == KEPT
                assert await transaction.steps.keep(FAILED) == KEPT
            async with writing(store) as transaction:
                assert await transaction.steps.keep(FAILED) == KEPT
            assert await stored(store) == [KEPT]

    async def test_an_outcome_completes_a_begun_step(self, new_store: NewStore) -> None:
        """A step is begun once, also within one transaction. Its outcome replaces state and time."""
        async with new_store([]) as store:
            async with writing(store) as transaction:
                assert await begin(transaction) is None
                assert await transaction.steps.begin(BEGUN._replace(time=FAILED.time)) == BEGUN
            assert await stored(store) == [BEGUN]
            async with writing(store) as transaction:
                assert await begin(transaction) == BEGUN
                assert await transaction.steps.keep(FAILED) == FAILED
                assert await begin(transaction) == FAILED
            assert await stored(store) == [FAILED]
            async with writing(store) as transaction:
                assert await begin(transaction) == FAILED
            assert await stored(store) == [FAILED]

    async def test_changes_go_with_their_transaction(self, new_store: NewStore) -> None:
        """A rollback, also of a savepoint, undoes what was begun, kept and deleted. A commit stores it."""
        changes: tuple[tuple[Use, list[StepRecord]], ...] = ((begin, [BEGUN]), (keep, [KEPT]), (delete, []))
        async with new_store([]) as store:
            before: list[StepRecord] = []
            for change, after in changes:
                async with undone(store) as transaction:
                    await change(transaction)
                assert await stored(store) == before
                async with writing(store) as transaction, failed_savepoint(transaction):
                    await change(transaction)
                assert await stored(store) == before
                async with writing(store) as transaction:
                    await change(transaction)
                assert await stored(store) == after
                before = after

    async def test_steps_are_told_apart(self, new_store: NewStore) -> None:
        """Owners, inputs and names that differ in one character are different, and are read in the order of names."""
        owners = [KEPT._replace(owner=name) for name in NAMES]
        steps = [*owners, KEPT._replace(input=OTHER_INPUT), *(KEPT._replace(name=name) for name in NAMES)]
        async with new_store([]) as store:
            async with writing(store) as transaction:
                for each in steps:
                    assert await transaction.steps.begin(each._replace(state="begun", outcome=None)) is None
                for each in steps:
                    assert await transaction.steps.keep(each) == each
            assert [each.name for each in await stored(store)] == sorted(NAMES)
            for each in owners:
                assert await store.steps.read(each.owner, INPUT) == [each]
            assert await store.steps.read("payments", OTHER_INPUT) == [KEPT._replace(input=OTHER_INPUT)]

    async def test_records_are_deleted_by_input_or_by_step(self, new_store: NewStore) -> None:
        """A deletion takes the records of one input of one owner, or one of them, and returns their number."""
        others = [KEPT._replace(input=OTHER_INPUT), KEPT._replace(owner="mails")]
        async with new_store([]) as store:
            async with writing(store) as transaction:
                for each in (*others, *(KEPT._replace(name=name) for name in ("a", "A", "b"))):
                    await transaction.steps.keep(each)
            async with writing(store) as transaction:
                assert await transaction.steps.delete("payments", INPUT, "a") == 1
                assert await transaction.steps.delete("payments", INPUT, "a") == 0
            assert [each.name for each in await stored(store)] == ["A", "b"]
            async with writing(store) as transaction:
                assert await delete(transaction) == 2
            assert await stored(store) == []
            assert [*await store.steps.read("payments", OTHER_INPUT), *await store.steps.read("mails", INPUT)] == others

    async def test_a_second_begin_waits(self, new_store: NewStore) -> None:
        """Two workers begin one step: one of them begins it, and the other waits and finds the record of the first."""
        async with new_store([]) as store:
            found: list[StepRecord | None] = []

            async def second(transaction: WriteTransaction) -> None:
                found.append(await begin(transaction))

            async with anyio.create_task_group() as tasks, writing(store) as transaction:
                assert await begin(transaction) is None
                for _ in range(3):
                    tasks.start_soon(waiting, store, second)
                await anyio.wait_all_tasks_blocked()
                assert not found
            assert found == [BEGUN] * 3

    async def test_a_second_outcome_waits(self, new_store: NewStore) -> None:
        """Two workers keep outcomes of one step: the other waits, and gets the outcome of the first one."""
        async with new_store([]) as store:
            for begun in (False, True):
                async with writing(store) as transaction:
                    await delete(transaction)
                    if begun:
                        await begin(transaction)
                found: list[StepRecord] = []

                async def second(transaction: WriteTransaction, found: list[StepRecord] = found) -> None:
                    found.append(await transaction.steps.keep(FAILED))

                async with anyio.create_task_group() as tasks, writing(store) as transaction:
                    assert await keep(transaction) == KEPT
                    for _ in range(3):
                        tasks.start_soon(waiting, store, second)
                    await anyio.wait_all_tasks_blocked()
                    assert not found
                assert found == [KEPT] * 3
                assert await stored(store) == [KEPT]

    async def test_changes_need_a_transaction_that_writes(self, new_store: NewStore) -> None:
        """A read-only transaction and an ended transaction refuse every change."""
        async with new_store([]) as store:
            for use in (begin, keep, delete):
                async with reading(store) as transaction:
                    with pytest.raises(ReadOnlyUnitOfWork):
                        await use(transaction)
                async with writing(store) as transaction:
                    pass
                with pytest.raises(UnitOfWorkClosed):
                    await use(transaction)
