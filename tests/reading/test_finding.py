"""Conditions, orders and pages mean what they mean in Python, and a value in another type finds the same rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domains.hostile import HOSTILE, SAMPLES, Numbers
from twofold import Keyset, ReadModel, Rows, View, any_of, ge, gt, le, lt, ne, one_of
from twofold._reading.fields import Refused, fields_of
from twofold._reading.read_model import CommittedRows
from twofold.testing.conformance._domain.row_samples import put
from twofold_memory import InMemory

VALUES = st.integers(-3, 3)
Test = Callable[[int | None], bool]


def compared(
    comparison: Callable[[object], Any], test: Callable[[Any, int], bool]
) -> st.SearchStrategy[tuple[Any, Test]]:
    """Return comparisons, each with what it means."""
    return VALUES.map(lambda value: (comparison(value), lambda own: test(own, value)))


MAYBE = st.none() | VALUES
SINGLE: st.SearchStrategy[tuple[Any, Test]] = (
    compared(gt, lambda own, value: own is not None and own > value)
    | compared(ge, lambda own, value: own is not None and own >= value)
    | compared(lt, lambda own, value: own is not None and own < value)
    | compared(le, lambda own, value: own is not None and own <= value)
    | MAYBE.map(lambda value: (value, lambda own: own == value))
    | MAYBE.map(lambda value: (ne(value), lambda own: own != value))
    | st.lists(MAYBE, max_size=3).map(lambda values: (one_of(values), lambda own: own in values))
)


def joined(parts: list[tuple[Any, Test]]) -> tuple[Any, Test]:
    """Return an `any_of`, with what it means."""
    return any_of(*(each for each, _ in parts)), lambda own: any(test(own) for _, test in parts)


CONDITION = st.recursive(SINGLE, lambda inner: st.lists(inner, min_size=1, max_size=3).map(joined), max_leaves=6)


@given(CONDITION, st.lists(MAYBE, max_size=8), st.sampled_from(["id", "-id", "value", "-value"]), st.integers(1, 4))
def test_a_find_is_a_comprehension(condition: tuple[Any, Test], held: list[int | None], order: str, size: int) -> None:
    """A find returns the same rows as a list comprehension, for nested conditions, as a whole and page by page."""
    where, test = condition
    rows = [Numbers(id=number, value=-number % 3, maybe=value) for number, value in enumerate(held)]
    down, field = order.startswith("-"), order.removeprefix("-")
    expected = sorted(
        (row for row in rows if test(row.maybe)), key=lambda row: (getattr(row, field), row.id), reverse=down
    )

    async def find() -> None:
        model = await _filled(rows)
        assert list((await model.find({"maybe": where}, order_by=order)).items) == expected
        assert await model.count({"maybe": where}) == len(expected)
        found: list[Numbers] = []
        after: str | None = None
        while after is not None or not found:
            page = await model.find({"maybe": where}, order_by=order, page=Keyset(size, after))
            found, after = [*found, *page.items], page.next
            if after is None:
                break
        assert found == expected

    anyio.run(find)


async def _filled(rows: list[Numbers]) -> ReadModel[Numbers]:
    store = InMemory()
    await store.open([Numbers])
    if rows:
        await put(store, rows)
    transaction = await store.begin(read_only=True)

    async def reader() -> Any:
        return transaction.rows(Numbers)

    return CommittedRows(Numbers, reader)


@pytest.mark.parametrize("view", SAMPLES, ids=lambda view: view.__name__)
def test_a_value_has_one_form(view: type[View]) -> None:
    """A value that was converted is converted to itself, and is one of the field's class."""
    for field in fields_of(view).values():
        for value in HOSTILE:
            try:
                once = field.value_of(value)
            except Refused:
                continue
            again = field.value_of(once)
            assert (again, type(again)) == (once, type(once)), f"{field.name}: {value!r:.80}"
            assert once is None or (field.scalar is not None and isinstance(once, field.scalar))


def test_rows_are_iterated_and_counted() -> None:
    """Rows behave as the sequence of their items does in a loop and for `len`; no rows are false."""
    rows = Rows(tuple(Numbers(id=each, value=each, maybe=None) for each in (1, 2)), total=7)
    assert (tuple(rows), len(rows), bool(Rows(()))) == (rows.items, 2, False)
