"""Conditions that exclude a value, and conditions joined by `or`."""

from __future__ import annotations

from twofold.ports import Condition, Operator, Ordering, Selection

from .._domain.row_samples import Mixed, Sample, Task, found_ids, ids, keyset_pages, ordered, put, tasks
from .._tools.opened import NewReadStore, reading

KEY = Ordering("id")


class Alternatives:
    """The cases of `SelectionsSuite` about `NE`, `ANY_OF`, and enums with values of several types."""

    async def test_not_equal(self, new_store: NewReadStore) -> None:
        """`ne` with a value matches rows that hold None. `ne` with None matches rows that hold a value."""
        async with new_store([Task]) as store:
            await put(store, [Task(id="a"), Task(id="b", note=""), Task(id="c", note="x", score=0)])
            assert await found_ids(store, Condition("note", Operator.NE, "x")) == ["a", "b"]
            assert await found_ids(store, Condition("note", Operator.NE, None)) == ["b", "c"]
            assert await found_ids(store, Condition("score", Operator.NE, 0)) == ["a", "b"]
            assert await found_ids(store, Condition("score", Operator.NE, 1)) == ["a", "b", "c"]
            assert await found_ids(store, Condition("id", Operator.NE, "b")) == ["a", "c"]
            both = Condition("note", Operator.NE, "x"), Condition("note", Operator.NE, None)
            assert await found_ids(store, *both) == ["b"]

    async def test_any_of(self, new_store: NewReadStore) -> None:
        """`any_of` combines with other conditions. A row that matches two alternatives is returned once."""

        def is_(operator: Operator, value: object) -> Condition:
            return Condition("rank", operator, value)

        async with new_store([Task]) as store:
            await put(store, (Task(id=str(number), rank=number, team="ab"[number % 2]) for number in range(8)))
            low, high = is_(Operator.LT, 2), is_(Operator.GE, 6)
            cases: list[tuple[tuple[Condition, ...], str]] = [
                ((low, high), "0167"),
                ((low, is_(Operator.LE, 3)), "0123"),
                ((high, is_(Operator.NE, 3)), "0124567"),
                ((is_(Operator.ONE_OF, (3, 4)), is_(Operator.GT, 6)), "347"),
                ((is_(Operator.ONE_OF, ()), low), "01"),
                ((is_(Operator.NE, 1), is_(Operator.NE, 2)), "01234567"),
            ]
            team = Condition("team", Operator.EQ, "b")
            for alternatives, expected in cases:
                either = is_(Operator.ANY_OF, alternatives)
                assert await found_ids(store, either) == list(expected), alternatives
                odd = [each for each in expected if int(each) % 2]
                assert await found_ids(store, team, either) == odd, alternatives
            both = is_(Operator.ANY_OF, (low, high)), is_(Operator.ANY_OF, (is_(Operator.EQ, 1), is_(Operator.GT, 6)))
            assert await found_ids(store, *both) == ["1", "7"]

    async def test_any_of_with_none(self, new_store: NewReadStore) -> None:
        """An alternative can be None, also beside values and beside comparisons that never match None."""
        async with new_store([Task]) as store:
            await put(store, [Task(id="a"), Task(id="b", score=-1), Task(id="c", score=0), Task(id="d", score=7)])
            above, below = Condition("score", Operator.GT, 0), Condition("score", Operator.LT, 0)
            none = Condition("score", Operator.EQ, None)
            some = Condition("score", Operator.ONE_OF, (None, 0))
            either = Condition("score", Operator.NE, None)
            for alternatives, expected in (
                ((above, none), ["a", "d"]),
                ((below, some), ["a", "b", "c"]),
                ((above, below), ["b", "d"]),
                ((either, none), ["a", "b", "c", "d"]),
            ):
                found = await found_ids(store, Condition("score", Operator.ANY_OF, alternatives))
                assert found == expected, alternatives

    async def test_keyset_pages_with_alternatives(self, new_store: NewReadStore) -> None:
        """Pages of rows that match one of several alternatives contain each matching row exactly once."""
        rows = tasks()
        alternatives = Condition("rank", Operator.LE, 0), Condition("rank", Operator.GT, 5)
        where = (Condition("team", Operator.NE, "c"), Condition("rank", Operator.ANY_OF, alternatives))
        matching = [row for row in rows if row.team != "c" and (row.rank <= 0 or row.rank > 5)]
        async with new_store([Task]) as store:
            await put(store, rows)
            async with reading(store) as transaction:
                reader = transaction.rows(Task)
                for order in (
                    (KEY,),
                    (Ordering("rank"), KEY),
                    (Ordering("team"), Ordering("rank", descending=True), KEY),
                ):
                    for size in (1, 3, 20):
                        found = await keyset_pages(reader, order, size, where)
                        assert ids(found) == ids(ordered(matching, *order)), (order, size)

    async def test_enums_of_mixed_values_are_compared_by_name(self, new_store: NewReadStore) -> None:
        """An enum with values of several types is sorted and compared by the names of its members."""
        async with new_store([Sample]) as store:
            await put(store, [Sample(id=each.name.lower(), mixed=each) for each in Mixed])
            async with reading(store) as transaction:
                rows = transaction.rows(Sample)
                for operator, expected in ((Operator.LT, ["half"]), (Operator.GE, ["number", "text"])):
                    where = (Condition("mixed", operator, Mixed.NUMBER),)
                    assert ids(await rows.select(Selection(where, (Ordering("mixed"), KEY)))) == expected
                after = Selection((), (Ordering("mixed", descending=True), KEY), (Mixed.TEXT, "text"))
                assert ids(await rows.select(after)) == ["number", "half"]
