"""Processes as a store keeps them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from uuid import UUID, uuid4

import pytest

from twofold.errors import ReadOnlyUnitOfWork
from twofold.ports import Position, ProcessRecord, ProcessState, WriteStore

from .._tools.opened import NewStore, failed_savepoint, reading, undone, writing
from .records import NAMES

NOON = datetime(2024, 5, 17, 12, 0, 0, 123456, tzinfo=UTC)


def record(
    key: str = "k",
    *,
    process: str = "p",
    state: ProcessState = "waiting",
    minutes: float = 0,
    incarnation: UUID | None = None,
) -> ProcessRecord:
    """Return a process that changed `minutes` after noon."""
    data, time = '{"note": "naïve ☕", "amount": "1.50"}', NOON + timedelta(minutes=minutes)
    return ProcessRecord(
        process, key, incarnation or uuid4(), state, 2, data, '{"sent": {}}', "Bad: ☕\n", Position(7), time
    )


async def stored(store: WriteStore, *records: ProcessRecord) -> None:
    """Store processes in a separate transaction."""
    async with writing(store) as transaction:
        await transaction.processes.write(records)


async def keys(store: WriteStore) -> list[tuple[str, str]]:
    """Return the names and keys of all processes."""
    return [(each.process, each.key) for each in await store.processes.list(limit=1000)]


class ProcessRecordSuite:
    """The promises of a write store about the records of processes. Needs the fixture `new_store`."""

    async def test_a_process_comes_back_unchanged(self, new_store: NewStore) -> None:
        """Every field is returned unchanged, inside the transaction and after it. A later record replaces an earlier one."""
        async with new_store([]) as store:
            first, second = record(), record(state="failed", minutes=1)
            await stored(store, first)
            assert await store.processes.get("p", "k") == first
            async with writing(store) as transaction:
                assert await transaction.processes.read("p", ["k", "unknown"]) == {"k": first}
                await transaction.processes.write([second])
                assert await transaction.processes.read("p", ["k"]) == {"k": second}
            assert await store.processes.list(limit=9) == [second]
            assert await store.processes.get("p", "unknown") is None

    async def test_many_are_read_in_one_call(self, new_store: NewStore) -> None:
        """Any number of keys is read in one call."""
        async with new_store([]) as store:
            records = {f"k{number}": record(f"k{number}") for number in range(45)}
            await stored(store, *records.values(), record("k1", process="other"))
            async with reading(store) as transaction:
                assert await transaction.processes.read("p", [*records, "unknown", "k1"]) == records
                assert await transaction.processes.read("p", []) == {}

    async def test_keys_are_exact(self, new_store: NewStore) -> None:
        """Keys that differ only in case, accents, a trailing space or the last of many characters are different keys."""
        names = [name for name in NAMES if len(name) <= 160]
        async with new_store([]) as store:
            await stored(store, *[record(key, process=process) for process, key in product(names, names)])
            assert set(await keys(store)) == set(product(names, names))

    async def test_lists_are_ordered_and_filtered(self, new_store: NewStore) -> None:
        """A list is ordered by name and key, begins after a process, and contains the processes of a name and a state."""
        async with new_store([]) as store:
            states: list[ProcessState] = ["waiting", "failed"]
            records = [record(key, process=process, state=states[key == "b"]) for process in "qp" for key in "cba"]
            await stored(store, *records)
            listed = store.processes.list
            assert await keys(store) == [("p", "a"), ("p", "b"), ("p", "c"), ("q", "a"), ("q", "b"), ("q", "c")]
            assert [each.key for each in await listed(process="q", limit=2)] == ["a", "b"]
            assert [each.process for each in await listed(state="failed", limit=9)] == ["p", "q"]
            later = await listed(process=None, state="waiting", after=("p", "b"), limit=9)
            assert [(each.process, each.key) for each in later] == [("p", "c"), ("q", "a"), ("q", "c")]
            assert await store.processes.counts() == {
                ("p", "waiting"): 2, ("p", "failed"): 1, ("q", "waiting"): 2, ("q", "failed"): 1,
            }  # fmt: skip

    async def test_old_ended_processes_are_deleted(self, new_store: NewStore) -> None:
        """Only processes that have ended before a time are deleted, at most `limit` in one call."""
        async with new_store([]) as store:
            ended = [record(f"e{number}", state=("completed", "failed")[number % 2]) for number in range(5)]
            kept = [record("new", state="completed", minutes=2), record("stuck", state="compensation_stuck"), record()]
            await stored(store, *ended, *kept)
            before = NOON + timedelta(minutes=1)
            assert await store.processes.delete(before=before, limit=3) == 3
            assert await store.processes.delete(before=before, limit=9) == 2
            assert await store.processes.delete(before=before, limit=9) == 0
            assert await keys(store) == [("p", "k"), ("p", "new"), ("p", "stuck")]

    async def test_changes_go_with_their_transaction(self, new_store: NewStore) -> None:
        """A rollback, also of a savepoint, keeps no change."""
        async with new_store([]) as store:
            first = record()
            await stored(store, first)
            async with undone(store) as transaction:
                await transaction.processes.write([record(state="failed")])
            async with writing(store) as transaction, failed_savepoint(transaction):
                await transaction.processes.write([record(state="failed"), record("new")])
            assert await store.processes.list(limit=9) == [first]

    async def test_changes_need_a_transaction_that_writes(self, new_store: NewStore) -> None:
        """A read-only transaction refuses to write."""
        async with new_store([]) as store, reading(store) as transaction:
            with pytest.raises(ReadOnlyUnitOfWork):
                await transaction.processes.write([record()])
