"""Pages, lists of values and cursors have limits, which hold before a store is asked."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.domains.hostile import Numbers, Texts
from twofold import Keyset, Page, any_of, gt, lt, ne, one_of
from twofold._reading.find import conditions, selection
from twofold.errors import InvalidFind
from twofold.ports import Condition, Operator

PAGES: tuple[Any, ...] = (0, -1, 10**18, 2**63, 10**400, True, 1.0, float("nan"), "1", None, [], 10**15 + 1)


@pytest.mark.parametrize("number", PAGES, ids=lambda number: repr(number)[:20])
def test_numbers_of_pages_are_integers_of_a_usual_size(number: Any) -> None:
    """A page that no store can find is refused, as a number and as a size."""
    for page in (
        lambda: Page(number=number),
        lambda: Page(size=number),
        lambda: Page(number=number, size=number),
        lambda: Keyset(size=number),
    ):
        with pytest.raises(InvalidFind):
            page()


def test_the_last_page_can_be_found() -> None:
    """The offset of the last page fits 64 bits, and the numbers of Lua."""
    found = selection(Numbers, None, (), Page(number=10**15, size=1))
    assert (found.offset, found.limit) == (10**15 - 1, 1)
    with pytest.raises(InvalidFind):
        Page(number=10**15, size=2)


@pytest.mark.parametrize("after", [b"cursor", 7, [], {}])
def test_a_cursor_is_a_text(after: Any) -> None:
    """Anything else is refused when the page is created."""
    with pytest.raises(InvalidFind):
        Keyset(after=after)


TOO_MUCH: tuple[Any, ...] = (
    {"value": one_of(range(50_000))},
    {"value": one_of(range(6_000)), "maybe": one_of(range(6_000))},
    {"value": any_of(*map(gt, range(101)))},
    {"value": any_of(*map(ne, range(50_000)))},
    {"value": any_of(one_of(range(9_999)), 1, 2)},
    ["value"],
    "value",
    {7: 1},
    {"value": {"gt": 1}},
    {"value\0": 1},
)
"""Conditions with too many values or alternatives, and malformed ones."""


@pytest.mark.parametrize("where", TOO_MUCH, ids=map(str, range(len(TOO_MUCH))))
def test_conditions_that_are_too_many_or_malformed_are_refused(where: Any) -> None:
    """They are refused quickly, whatever their size."""
    started = time.process_time()
    with pytest.raises(InvalidFind):
        conditions(Numbers, where)
    assert time.process_time() - started < 5


@pytest.mark.parametrize("values", [[1, 2], (1, 2), {1, 2}])
def test_several_values_without_one_of(values: Any) -> None:
    """The error for a list in place of a value names `one_of`."""
    with pytest.raises(InvalidFind, match=r"To find rows with one of several values, use one_of\(\.\.\.\)\."):
        conditions(Numbers, {"value": values})


def test_long_texts_are_refused_together() -> None:
    """Each text fits, and all of them would exceed what a server accepts in one statement."""
    with pytest.raises(InvalidFind):
        conditions(Texts, {"maybe": one_of(["x" * 99_000 + str(number) for number in range(20)])})


def test_values_that_a_field_may_equal_are_one_list() -> None:
    """However they are nested, and however often each of them comes."""
    where = {"value": any_of(1, one_of([2, "1"]), any_of(3, any_of(one_of([]), 2)))}
    assert conditions(Numbers, where) == (Condition("value", Operator.ONE_OF, (1, 2, 3)),)
    same = {"value": any_of(gt(1), any_of(gt("1"), gt(True)))}
    assert conditions(Numbers, same) == (Condition("value", Operator.GT, 1),)
    assert conditions(Numbers, {"value": any_of(one_of([]), lt(1))}) == (Condition("value", Operator.LT, 1),)


@pytest.mark.parametrize(
    "order", [[5], [None], ["value", b"id"], "", "-", "--value", "value\0", "maybe", "x" * 200_000]
)
def test_orders_that_name_no_field_are_refused(order: Any) -> None:
    """The text of the error stays short."""
    with pytest.raises(InvalidFind) as caught:
        selection(Numbers, None, order, None)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("page", [1, "next", {"number": 1}, ()], ids=repr)
def test_a_page_of_another_class_is_refused(page: Any) -> None:
    """Instead of all rows."""
    with pytest.raises(InvalidFind):
        selection(Numbers, None, (), page)
