"""Finding the rows of read models: conditions, orders, and pages that together contain every row once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from itertools import product
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from twofold.ports import Condition, Operator, Ordering, Selection

from .._domain.row_samples import Colour, Level, Task, found_ids, ids, keyset_pages, ordered, put, tasks
from .._tools.opened import NewReadStore, reading
from .alternatives import Alternatives

KEY = Ordering("id")
SINGLE = {
    Operator.EQ: eq,
    Operator.NE: ne,
    Operator.GT: gt,
    Operator.GE: ge,
    Operator.LT: lt,
    Operator.LE: le,
}
COMPARED = ("id", "team", "rank", "weight", "cost", "due", "day", "owner", "level", "done", "note", "score")
ORDERS = (
    (KEY,),
    (Ordering("id", descending=True),),
    *(
        (Ordering(first, descending=down), Ordering("id", descending=key_down))
        for first in ("team", "rank", "weight", "cost", "due", "day", "owner", "level", "done")
        for down, key_down in product((False, True), repeat=2)
    ),
    (Ordering("team", descending=True), Ordering("rank"), KEY),
    (Ordering("done"), Ordering("cost", descending=True), Ordering("id", descending=True)),
)


def _matches(operator: Operator, own: Any, value: Any) -> bool:
    """Return whether a field satisfies a condition whose value is not None, as Python compares."""
    return operator is Operator.NE if own is None else bool(SINGLE[operator](own, value))


class SelectionsSuite(Alternatives):
    """The promises of every store about finding the rows of its views.

    Needs the fixtures `new_store` and `capabilities`.
    """

    async def test_comparisons(self, new_store: NewReadStore) -> None:
        """Each operator selects and counts the rows for which the same comparison holds in Python.

        None differs from every value.
        """
        rows = tasks()
        async with new_store([Task]) as store:
            await put(store, rows)
            async with reading(store) as transaction:
                reader = transaction.rows(Task)
                for field, operator in product(COMPARED, SINGLE):
                    for value in {getattr(row, field) for row in rows} - {None}:
                        where = (Condition(field, operator, value),)
                        matching = [row for row in rows if _matches(operator, getattr(row, field), value)]
                        found = await reader.select(Selection(where=where, order_by=(KEY,)))
                        assert found == ordered(matching, KEY), f"{field} {operator.value} {value!r}"
                        assert await reader.count(where) == len(matching), f"{field} {operator.value} {value!r}"

    async def test_equal_none(self, new_store: NewReadStore) -> None:
        """A condition can compare an optional field with None."""
        async with new_store([Task]) as store:
            await put(store, [Task(id="a"), Task(id="b", note=""), Task(id="c", score=0)])
            assert await found_ids(store, Condition("note", Operator.EQ, None)) == ["a", "c"]
            assert await found_ids(store, Condition("score", Operator.EQ, None)) == ["a", "b"]
            assert await found_ids(store, Condition("note", Operator.EQ, "")) == ["b"]

    async def test_one_of(self, new_store: NewReadStore) -> None:
        """`one_of` matches each of its values, also None. Without values it matches nothing."""
        async with new_store([Task]) as store:
            await put(
                store,
                [
                    Task(id="a", rank=1, colour=Colour.RED, cost=Decimal("2.50"), note=None),
                    Task(id="b", rank=2, colour=Colour.BLUE, cost=Decimal("2.5"), note="x"),
                    Task(id="c", rank=3, colour=Colour.RED, level=Level.HIGH, note="y"),
                ],
            )
            cases: list[tuple[str, tuple[object, ...], list[str]]] = [
                ("rank", (3, 1, 99, 1), ["a", "c"]),
                ("rank", (), []),
                ("rank", tuple(range(3, 603)), ["c"]),
                ("id", ("b", "nobody"), ["b"]),
                ("colour", (Colour.RED,), ["a", "c"]),
                ("level", (Level.HIGH, Level.LOW), ["a", "b", "c"]),
                ("cost", (Decimal("2.500"),), ["a", "b"]),
                ("note", ("y", "z"), ["c"]),
                ("note", (None, "x"), ["a", "b"]),
                ("note", (None,), ["a"]),
            ]
            for field, values, expected in cases:
                assert await found_ids(store, Condition(field, Operator.ONE_OF, values)) == expected, (field, values)

    async def test_conditions_are_joined_by_and(self, new_store: NewReadStore) -> None:
        """All conditions must hold, also two conditions on one field. Without conditions, every row matches."""
        async with new_store([Task]) as store:
            await put(store, (Task(id=str(number), rank=number, done=number % 2 == 0) for number in range(10)))
            between = Condition("rank", Operator.GT, 2), Condition("rank", Operator.LE, 7)
            assert await found_ids(store, *between) == ["3", "4", "5", "6", "7"]
            assert await found_ids(store, *between, Condition("done", Operator.EQ, value=True)) == ["4", "6"]
            assert await found_ids(store, *between, Condition("rank", Operator.EQ, 9)) == []
            assert len(await found_ids(store)) == 10

    async def test_enums_are_compared(self, new_store: NewReadStore) -> None:
        """A field of an enum equals only its own member."""
        async with new_store([Task]) as store:
            await put(store, [Task(id="a", colour=Colour.RED), Task(id="b", colour=Colour.BLUE, level=Level.HIGH)])
            assert await found_ids(store, Condition("colour", Operator.EQ, Colour.BLUE)) == ["b"]
            assert await found_ids(store, Condition("level", Operator.EQ, Level.LOW)) == ["a"]

    async def test_times_are_compared_as_instants(self, new_store: NewReadStore) -> None:
        """Times are equal if they are the same instant, in any time zone.

        They differ if they are a microsecond apart.
        """
        noon = datetime(2024, 6, 1, 12, tzinfo=UTC)
        east = timezone(timedelta(hours=14))
        async with new_store([Task]) as store:
            await put(
                store,
                [
                    Task(id="a", due=noon.astimezone(east)),
                    Task(id="b", due=noon + timedelta(microseconds=1)),
                    Task(id="c", due=noon - timedelta(microseconds=1)),
                    Task(id="d", due=noon.replace(year=9999)),
                ],
            )
            assert await found_ids(store, Condition("due", Operator.EQ, noon)) == ["a"]
            assert await found_ids(store, Condition("due", Operator.GT, noon.astimezone(east))) == ["b", "d"]
            async with reading(store) as transaction:
                found = await transaction.rows(Task).select(Selection(order_by=(Ordering("due"), KEY)))
        assert ids(found) == ["c", "a", "b", "d"]

    async def test_long_decimals_are_compared_exactly(self, new_store: NewReadStore) -> None:
        """Decimals that differ in the twentieth digit are not equal."""
        low, high = Decimal("12345678901234567890.1"), Decimal("12345678901234567890.2")
        async with new_store([Task]) as store:
            await put(store, [Task(id="a", cost=high), Task(id="b", cost=low)])
            assert await found_ids(store, Condition("cost", Operator.EQ, low)) == ["b"]
            assert await found_ids(store, Condition("cost", Operator.GT, low)) == ["a"]

    async def test_order(self, new_store: NewReadStore) -> None:
        """Rows are sorted by each field in turn, ascending or descending, and then by key."""
        rows = tasks()
        async with new_store([Task]) as store:
            await put(store, rows)
            async with reading(store) as transaction:
                for order in ORDERS:
                    found = await transaction.rows(Task).select(Selection(order_by=order))
                    assert ids(found) == ids(ordered(rows, *order)), order

    async def test_offset_pages(self, new_store: NewReadStore) -> None:
        """Numbered pages of any size together contain every row once."""
        order = Ordering("rank", descending=True), KEY
        rows = tasks(10)
        async with new_store([Task]) as store:
            await put(store, rows)
            async with reading(store) as transaction:
                reader = transaction.rows(Task)
                whole = ids(ordered(rows, *order))
                for size in range(1, len(rows) + 2):
                    found: list[object] = []
                    for offset in range(0, len(rows) + size, size):
                        page = await reader.select(Selection(order_by=order, limit=size, offset=offset))
                        assert ids(page) == whole[offset : offset + size]
                        found += ids(page)
                    assert found == whole
                assert ids(await reader.select(Selection(order_by=order, offset=7))) == whole[7:]
                assert await reader.select(Selection(order_by=order, offset=10, limit=5)) == []

    async def test_keyset_pages(self, new_store: NewReadStore) -> None:
        """Keyset pages of any size and in any order together contain every row once."""
        rows = tasks(12)
        async with new_store([Task]) as store:
            await put(store, rows)
            async with reading(store) as transaction:
                reader = transaction.rows(Task)
                for order in ORDERS:
                    for size in (1, 2, 3, 5, 11, 12, 13):
                        found = await keyset_pages(reader, order, size)
                        assert ids(found) == ids(ordered(rows, *order)), (order, size)

    async def test_keyset_pages_are_stable(self, new_store: NewReadStore) -> None:
        """Rows that are added while pages are read cause no repeats and no gaps.

        New rows after the cursor are returned.
        """
        order = Ordering("rank", descending=True), KEY
        async with new_store([Task]) as store:
            await put(store, (Task(id=f"old-{number:02}", rank=number // 3) for number in range(20)))
            seen: list[Task] = []
            added: list[Task] = []
            after: tuple[object, ...] | None = None
            while True:
                async with reading(store) as transaction:
                    selection = Selection(order_by=order, after=after, limit=4)
                    page = await transaction.rows(Task).select(selection)
                if not page:
                    break
                seen += page
                last, number = page[-1], len(seen)
                after = last.rank, last.id
                if number < 20:
                    before = Task(id=f"before-{number}", rank=last.rank + 1), Task(id="a" * number, rank=last.rank)
                    lag = Task(id=f"z-{number}", rank=last.rank)
                    added.append(lag)
                    await put(store, [*before, lag])

        olds = [row.id for row in seen if row.id.startswith("old")]
        assert sorted(olds) == [f"old-{number:02}" for number in range(20)], "each row that was there is met once"
        assert [row.id for row in seen if not row.id.startswith("old")] == [row.id for row in added]

    async def test_keyset_with_conditions(self, new_store: NewReadStore) -> None:
        """A cursor can be combined with conditions."""
        rows = tasks()
        where = (Condition("team", Operator.EQ, "b"),)
        async with new_store([Task]) as store:
            await put(store, rows)
            matching = ordered((row for row in rows if row.team == "b"), Ordering("rank"), KEY)
            async with reading(store) as transaction:
                order = Ordering("rank"), KEY
                after = matching[2].rank, matching[2].id
                found = await transaction.rows(Task).select(Selection(where, order, after, limit=3))
                assert ids(found) == ids(matching[3:6])
