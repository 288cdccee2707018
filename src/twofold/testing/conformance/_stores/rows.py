"""The rows of read models: stored unchanged, and never overwritten by older changes."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from itertools import permutations
from uuid import UUID

import pytest

from twofold._definitions.view import View
from twofold.errors import ReadOnlyUnitOfWork, TwofoldError
from twofold.ports import Condition, Operator, Ordering, Position, RowChange, Selection

from .._domain.row_samples import SHEETS, DateKey, NumberKey, Sheet, Task, UuidKey, all_of, change, get, ids, put, tasks
from .._tools.capabilities import Capabilities
from .._tools.opened import NewReadStore, NewStore, failed_savepoint, reading, undone, writing
from .row_limits import RowLimits

KEY = Ordering("id")


class RowsSuite(RowLimits):
    """The promises of every store about writing the rows of its views.

    Needs the fixtures `new_store`, `capabilities`.
    """

    async def test_values_survive(self, new_store: NewReadStore) -> None:
        """A row is returned equal, with scalars of every type, optional fields, nested models, tuples and mappings."""
        async with new_store([Sheet]) as store:
            await put(store, SHEETS)
            found = await all_of(store, Sheet)

        assert found == {row.id: row for row in SHEETS}
        for row in SHEETS:
            loaded = found[row.id]
            assert str(loaded.amount) == str(row.amount), "a decimal lost its exponent"
            assert str(loaded.maybe_amount) == str(row.maybe_amount), "a long decimal was rounded"
            assert loaded.at.tzinfo is not None
            assert type(loaded.lines) is tuple
            assert {name: type(value) for name, value in loaded} == {name: type(value) for name, value in row}

    async def test_a_row_that_cannot_be_stored_is_refused_by_the_write(self, new_store: NewReadStore) -> None:
        """A lone surrogate and a number of 1,100 bits are stored unchanged, or the write raises.

        The commit never fails.
        """
        for row in (Task(id="a", note="b\udcff"), Task(id="a", team="b\udcff"), Task(id="a", rank=1 << 1_100)):
            async with new_store([Task]) as store:
                transaction = await store.begin()
                kept = {}
                try:
                    with suppress(TwofoldError, ValueError, OverflowError):
                        await transaction.rows(Task).write([RowChange("a", row, Position(1))])
                        kept = {"a": row}
                    if kept:
                        await transaction.commit()
                finally:
                    await transaction.rollback()
                assert await all_of(store, Task) == kept

    async def test_a_disconnected_store_connects_again(self, new_store: NewReadStore) -> None:
        """After `disconnect`, also a repeated one, transactions write and read."""
        async with new_store([Task]) as store:
            await put(store, [Task(id="a")])
            for _ in range(2):
                await store.disconnect()
            await put(store, [Task(id="b")])
            assert set(await all_of(store, Task)) == {"a", "b"}

    async def test_keys(self, new_store: NewReadStore) -> None:
        """Any text, number, UUID or date works as a key and finds exactly its row."""
        texts = (
            "",
            " ",
            "a",
            "A",
            "a ",
            "ä",
            "a\u0308",
            "東京",
            "🚲",
            "a/b:c%d_",
            "'; drop table x; --",
            "\n",
            "x" * 300,
        )
        rows: list[View] = [
            *(Task(id=text, note=repr(text)) for text in texts),
            *(NumberKey(id=number, text=str(number)) for number in (0, -1, 7, 2**53 + 1, 2**53, 2**63 - 1)),
            *(UuidKey(id=UUID(int=number), text=str(number)) for number in (0, 1, 2**127)),
            *(DateKey(id=day, text=str(day)) for day in (date(2024, 2, 29), date(1, 1, 1))),
        ]
        views = (Task, NumberKey, UuidKey, DateKey)
        async with new_store(views) as store:
            for view in views:
                mine = [row for row in rows if type(row) is view]
                await put(store, mine)
                for row in mine:
                    assert await get(store, view, row.key) == row
                await change(store, view, (mine[0].key, None, 2))
                assert await all_of(store, view) == {row.key: row for row in mine[1:]}

    async def test_put_get_delete(self, new_store: NewReadStore) -> None:
        """`put` creates a row or replaces all of it; `delete` removes it."""
        async with new_store([Task]) as store:
            assert await get(store, Task, "a") is None
            await change(store, Task, ("a", Task(id="a", rank=1, note="first"), 1))
            assert await get(store, Task, "a") == Task(id="a", rank=1, note="first")
            await change(store, Task, ("a", Task(id="a", rank=2), 2))
            assert await get(store, Task, "a") == Task(id="a", rank=2)
            await change(store, Task, ("a", None, 3), ("never there", None, 3))
            assert await get(store, Task, "a") is None
            assert await all_of(store, Task) == {}
            await change(store, Task, ("a", Task(id="a", rank=4), 4))
            assert await all_of(store, Task) == {"a": Task(id="a", rank=4)}

    async def test_get_many(self, new_store: NewReadStore) -> None:
        """`get_many` returns the existing rows by key, and nothing for an empty list of keys."""
        async with new_store([Task]) as store:
            await put(store, tasks(24))
            await change(store, Task, ("t003", None, 2))
            wanted = {row.id: row for row in tasks(24)}
            del wanted["t003"]
            async with reading(store) as transaction:
                rows = transaction.rows(Task)
                assert await rows.get_many([]) == {}
                assert await rows.get_many(["t001", "nobody", "t001", "t003"]) == {"t001": wanted["t001"]}
                assert await rows.get_many([f"t{number:03}" for number in reversed(range(1500))]) == wanted

    async def test_views_do_not_mix(self, new_store: NewReadStore) -> None:
        """Rows of two views with the same key are different rows."""
        async with new_store([Task, Sheet]) as store:
            await put(store, SHEETS)
            await put(store, [Task(id="full")])
            await change(store, Task, ("empty", None, 9))

            assert ids((await all_of(store, Sheet)).values()) == ["empty", "full"]
            assert ids((await all_of(store, Task)).values()) == ["full"]

    async def test_one_write_of_many_rows(self, new_store: NewReadStore) -> None:
        """More than a thousand rows, with deletes among them, can be written in one call."""
        async with new_store([Task]) as store:
            await put(store, (Task(id=f"{number:05}", rank=number) for number in range(1500)))
            changes = [(f"{n:05}", None if n % 3 == 0 else Task(id=f"{n:05}", rank=-n), 2) for n in range(1200)]
            await change(store, Task, *changes)
            found = await all_of(store, Task)
            async with reading(store) as transaction:
                counted = await transaction.rows(Task).count(())

        assert counted == len(found) == 1100
        assert [row.rank for row in found.values()] == [
            -n if n < 1200 else n for n in range(1500) if n >= 1200 or n % 3
        ]

    async def test_older_writes_lose_in_any_order(self, new_store: NewReadStore) -> None:
        """The newest change wins if changes arrive in any order, each in its own transaction."""
        await self._permuted(new_store, one_transaction=False)

    async def test_older_writes_lose_inside_a_transaction(self, new_store: NewReadStore) -> None:
        """The newest change wins if changes arrive in any order within one transaction."""
        await self._permuted(new_store, one_transaction=True)

    async def test_a_deleted_row_is_not_brought_back(self, new_store: NewReadStore) -> None:
        """A put that is older than a delete changes nothing, even if the row did not exist before the delete."""
        async with new_store([Task]) as store:
            await change(store, Task, ("a", Task(id="a"), 5))
            await change(store, Task, ("a", None, 7), ("b", None, 7))
            await change(store, Task, ("a", Task(id="a"), 6), ("b", Task(id="b"), 6))
            assert await all_of(store, Task) == {}
            async with reading(store) as transaction:
                assert await transaction.rows(Task).count(()) == 0
            await change(store, Task, ("a", Task(id="a", rank=8), 8))
            assert await all_of(store, Task) == {"a": Task(id="a", rank=8)}

    async def test_the_same_position_applies(self, new_store: NewReadStore) -> None:
        """A second change at the position of the row applies: put after put, delete after put, put after delete."""
        async with new_store([Task]) as store:
            await change(store, Task, ("a", Task(id="a", rank=1), 5))
            await change(store, Task, ("a", Task(id="a", rank=2), 5))
            assert await all_of(store, Task) == {"a": Task(id="a", rank=2)}
            await change(store, Task, ("a", None, 5))
            assert await all_of(store, Task) == {}
            await change(store, Task, ("a", Task(id="a", rank=3), 5))
            assert await all_of(store, Task) == {"a": Task(id="a", rank=3)}

    async def test_own_writes_are_seen(self, new_store: NewReadStore) -> None:
        """A transaction sees its own writes by key, in `find` and in `count`.

        Other transactions see them after the commit.
        """
        async with new_store([Task]) as store:
            await put(store, [Task(id="a"), Task(id="b")])
            before = await all_of(store, Task)
            async with writing(store) as transaction:
                rows = transaction.rows(Task)
                changed = Task(id="a", rank=1), Task(id="c")
                await rows.write([RowChange(row.id, row, Position(2)) for row in changed])
                await rows.write([RowChange("b", None, Position(2))])
                assert await rows.get_many(["a", "b", "c"]) == {row.id: row for row in changed}
                assert await rows.select(Selection(order_by=(KEY,))) == list(changed)
                assert await rows.count((Condition("rank", Operator.EQ, 1),)) == 1
                assert await transaction.rows(Task).count(()) == 2, "another writer of the transaction sees the same"
                assert await all_of(store, Task) == before
            assert await all_of(store, Task) == {row.id: row for row in changed}

    async def test_rolled_back_writes_leave_nothing(self, new_store: NewReadStore) -> None:
        """A rollback removes new rows and restores changed and deleted rows with their old positions."""
        async with new_store([Task]) as store:
            await change(store, Task, ("a", Task(id="a"), 3), ("b", Task(id="b"), 3))
            before = await all_of(store, Task)
            async with undone(store) as transaction:
                changes = ("a", Task(id="a", rank=9)), ("b", None), ("c", Task(id="c"))
                await transaction.rows(Task).write([RowChange(key, row, Position(9)) for key, row in changes])
            assert await all_of(store, Task) == before
            await change(store, Task, ("a", Task(id="a", rank=4), 4), ("b", Task(id="b", rank=4), 4))
            assert [row.rank for row in (await all_of(store, Task)).values()] == [4, 4]

    async def test_a_savepoint_undoes_rows(self, new_store: NewStore, capabilities: Capabilities) -> None:
        """A failed savepoint undoes its rows and its deletes, and no other writes."""
        if not capabilities.savepoints:
            pytest.skip("the adapter has no savepoints")
        async with new_store([Task]) as store:
            await put(store, [Task(id="a"), Task(id="b")])
            async with writing(store) as transaction:
                rows = transaction.rows(Task)
                await rows.write([RowChange("a", Task(id="a", rank=2), Position(2))])
                async with failed_savepoint(transaction):
                    await rows.write([RowChange("a", Task(id="a", rank=9), Position(9))])
                    await rows.write([RowChange("b", None, Position(9)), RowChange("c", None, Position(9))])
                await rows.write([RowChange(key, Task(id=key, rank=3), Position(3)) for key in "bc"])
            assert [(row.id, row.rank) for row in (await all_of(store, Task)).values()] == [
                ("a", 2),
                ("b", 3),
                ("c", 3),
            ]

    async def test_a_reader_sees_one_state(self, new_store: NewReadStore, capabilities: Capabilities) -> None:
        """A read-only transaction keeps seeing the rows as they were when it began."""
        if not capabilities.one_state:
            pytest.skip("the adapter shows one state a read, not one a transaction")
        async with new_store([Task]) as store:
            await put(store, [Task(id="a")])
            async with reading(store) as transaction:
                rows = transaction.rows(Task)
                assert await rows.count(()) == 1
                await change(store, Task, ("a", None, 2), ("b", Task(id="b"), 2), ("c", Task(id="c"), 2))
                assert ids(await rows.select(Selection(order_by=(KEY,)))) == ["a"]
            assert ids((await all_of(store, Task)).values()) == ["b", "c"]

    async def test_a_reader_cannot_write_rows(self, new_store: NewReadStore) -> None:
        """A read-only transaction refuses to write and can still read."""
        async with new_store([Task]) as store:
            await put(store, [Task(id="a")])
            async with reading(store) as transaction:
                rows = transaction.rows(Task)
                with pytest.raises(ReadOnlyUnitOfWork):
                    await rows.write([RowChange("d", Task(id="d"), Position(3))])
                assert await rows.count(()) == 1
            assert ids((await all_of(store, Task)).values()) == ["a"]

    async def _permuted(self, new_store: NewReadStore, *, one_transaction: bool) -> None:
        histories = (("put", "put", "delete"), ("put", "delete", "put", "put"), ("delete", "put", "delete"))
        async with new_store([Task]) as store:
            for history in histories:
                orders = list(permutations(enumerate(history, start=1)))
                prefix = "-".join(history)
                steps = [
                    [_change(f"{prefix}:{n}", order[step]) for n, order in enumerate(orders)]
                    for step in range(len(history))
                ]
                if one_transaction:
                    async with writing(store) as transaction:
                        for changes in steps:
                            await transaction.rows(Task).write(changes)
                else:
                    for changes in steps:
                        async with writing(store) as transaction:
                            await transaction.rows(Task).write(changes)
                ranks = {
                    row.id: row.rank for row in (await all_of(store, Task)).values() if row.id.startswith(prefix + ":")
                }
                expected = {f"{prefix}:{n}": len(history) for n in range(len(orders))} if history[-1] == "put" else {}
                assert ranks == expected, history


def _change(key: str, step: tuple[int, str]) -> RowChange[Task]:
    position, what = step
    return RowChange(key, Task(id=key, rank=position) if what == "put" else None, Position(position))
