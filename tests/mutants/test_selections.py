"""Stores that find the wrong rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any

from tests.mutants.combinators import Wrap, both, changing, for_each, instead, replacing
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.places import unbroken_read_store
from tests.mutants.rows import rows
from tests.stores import READ_STORES
from twofold.ports import Condition, Operator, Ordering, Selection
from twofold.testing.conformance import SelectionsSuite
from twofold.testing.conformance._domain.row_samples import Mixed
from twofold.testing.conformance._tools.proxy import Proxy


def selecting(change: Callable[[Selection], Selection]) -> Wrap:
    """Select otherwise than is asked for."""
    return rows(changing("select", selection=change))


def ordering(change: Callable[[tuple[Ordering, ...]], tuple[Ordering, ...]]) -> Wrap:
    """Select in another order."""
    return selecting(lambda selection: replace(selection, order_by=change(selection.order_by)))


def filtering(change: Callable[[Any], Any]) -> Wrap:
    """Select and count by other conditions."""
    return rows(
        both(
            changing("select", selection=lambda selection: replace(selection, where=tuple(change(selection.where)))),
            changing("count", where=lambda where: tuple(change(where))),
        )
    )


def comparing(change: Callable[[Condition], Condition | None]) -> Wrap:
    """Change each condition; None leaves it out."""
    return filtering(lambda where: [other for each in where if (other := change(each)) is not None])


def comparing_by(operator: Operator, other: Operator) -> Wrap:
    """Use one operator for another."""
    return comparing(lambda each: each._replace(operator=other) if each.operator is operator else each)


def one_of(change: Callable[[Any], tuple[Any, ...]]) -> Wrap:
    """Look for other values in conditions on several values."""
    return comparing(lambda each: each._replace(value=change(each.value)) if each.operator is Operator.ONE_OF else each)


def alternatives(change: Callable[[Any], tuple[Any, ...]]) -> Wrap:
    """Look for other alternatives."""
    return comparing(lambda each: each._replace(value=change(each.value)) if each.operator is Operator.ANY_OF else each)


def continuing(start: Callable[[Selection, list[Any], int], int]) -> Wrap:
    """Start a page after a row at another place.

    Args:
        start: returns the index of the first row in the whole list, given the selection, the list, and the index of the
            cursor's row.
    """

    async def select(inner: Any, selection: Selection) -> Any:
        if selection.after is None:
            return await inner.select(selection)
        whole = list(await inner.select(replace(selection, after=None, limit=None)))
        values = [tuple(getattr(row, term.field) for term in selection.order_by) for row in whole]
        first = start(selection, whole, values.index(selection.after))
        return whole[first : None if selection.limit is None else first + selection.limit]

    return rows(instead(select=select))


class PagesByNumber(Proxy):
    """Replaces a cursor by an offset that was counted when the page before was read."""

    def __init__(self, inner: Any, given: dict[object, int]) -> None:
        super().__init__(inner)
        self._given = given

    async def select(self, selection: Selection) -> Any:
        offset = self._given.get(selection.after, 0)
        found = await self.inner.select(replace(selection, after=None, offset=offset))
        if found:
            last = tuple(getattr(found[-1], term.field) for term in selection.order_by)
            self._given[last] = offset + len(found)
        return found


def _past_ties(selection: Selection, whole: list[Any], at: int) -> int:
    field = selection.order_by[0].field
    same = [index for index, row in enumerate(whole) if getattr(row, field) == getattr(whole[at], field)]
    return same[-1] + 1


def _flip_the_last(order: tuple[Ordering, ...]) -> tuple[Ordering, ...]:
    last = order[-1]
    return (*order[:-1], Ordering(last.field, not last.descending)) if len(order) > 1 else order


async def _once_for_each(inner: Any, selection: Selection) -> Any:
    either: Any = next((each for each in selection.where if each.operator is Operator.ANY_OF), None)
    if either is None:
        return await inner.select(selection)
    others = tuple(each for each in selection.where if each is not either)
    return [row for each in either.value for row in await inner.select(replace(selection, where=(*others, each)))]


def _rounded(each: Condition) -> Condition:
    return each._replace(value=each.value.to_integral_value()) if isinstance(each.value, Decimal) else each


def _wall_time(each: Condition) -> Condition:
    return each._replace(value=each.value.replace(tzinfo=UTC)) if isinstance(each.value, datetime) else each


MUTANTS: Mutants = {
    "test_keyset_pages": {
        "a keyset page repeats the row before it": continuing(lambda *at: at[2]),
        "a keyset page leaves out a row": continuing(lambda *at: at[2] + 2),
        "a keyset page begins anew": continuing(lambda *_: 0),
        "a keyset page skips rows that tie": continuing(_past_ties),
    },
    "test_keyset_pages_are_stable": {
        "keyset pages are counted pages": for_each(lambda _: rows(partial(PagesByNumber, given={})))
    },
    "test_keyset_with_conditions": {
        "a keyset page forgets the conditions": selecting(
            lambda selection: selection if selection.after is None else replace(selection, where=())
        )
    },
    "test_order": {
        "ties come in the wrong order": ordering(_flip_the_last),
        "descending is ignored": ordering(lambda order: tuple(Ordering(term.field) for term in order)),
        "only the first field sorts": ordering(lambda order: (order[0], *order[-1:])),
        "the second field sorts first": ordering(
            lambda order: (order[1], order[0], *order[2:]) if len(order) > 2 else order
        ),
    },
    "test_offset_pages": {
        "the offset is one too many": selecting(
            lambda selection: replace(selection, offset=selection.offset + bool(selection.offset))
        ),
        "the offset is ignored": selecting(lambda selection: replace(selection, offset=0)),
        "a page has a row too many": selecting(
            lambda selection: replace(selection, limit=selection.limit and selection.limit + 1)
        ),
        "an offset without a limit is ignored": selecting(
            lambda selection: selection if selection.limit else replace(selection, offset=0)
        ),
    },
    "test_comparisons": {
        "a count ignores the conditions": rows(replacing("count", where=())),
        "above is at least": comparing_by(Operator.GT, Operator.GE),
        "at least is above": comparing_by(Operator.GE, Operator.GT),
        "below is at most": comparing_by(Operator.LT, Operator.LE),
        "at most is below": comparing_by(Operator.LE, Operator.LT),
        "decimals are rounded to compare": comparing(_rounded),
    },
    "test_one_of": {
        "one of matches nothing": one_of(lambda values: ()),
        "one of looks at the first value only": one_of(lambda values: values[:1]),
        "one of forgets None": one_of(lambda values: tuple(each for each in values if each is not None)),
        "one of none matches everything": comparing(
            lambda each: None if each.operator is Operator.ONE_OF and not each.value else each
        ),
    },
    "test_not_equal": {
        "None is not unequal to a value": filtering(
            lambda where: [
                *where,
                *(Condition(each.field, Operator.NE, None) for each in where if each.operator is Operator.NE),
            ]
        ),
        "not equal to None matches everything": comparing(
            lambda each: None if each.operator is Operator.NE and each.value is None else each
        ),
        "not equal is equal": comparing_by(Operator.NE, Operator.EQ),
    },
    "test_any_of": {
        "only the first alternative holds": alternatives(lambda each: (each[0], each[0])),
        "only the last alternative holds": alternatives(lambda each: (each[-1], each[-1])),
        "all alternatives must hold": filtering(
            lambda where: [
                part for each in where for part in (each.value if each.operator is Operator.ANY_OF else (each,))
            ]
        ),
        "a row comes once for each alternative": rows(instead(select=_once_for_each)),
    },
    "test_any_of_with_none": {
        "None is not an alternative": alternatives(
            lambda found: tuple(each for each in found if each.value is not None or each.operator is Operator.NE) * 2
        ),
    },
    "test_keyset_pages_with_alternatives": {
        "a keyset page forgets the alternatives": selecting(
            lambda selection: selection if selection.after is None else replace(selection, where=selection.where[:1])
        ),
    },
    "test_enums_of_mixed_values_are_compared_by_name": {
        "enums of mixed values are not compared": comparing(
            lambda each: None if isinstance(each.value, Mixed) else each
        ),
    },
    "test_equal_none": {
        "None equals nothing": comparing(
            lambda each: Condition(each.field, Operator.ONE_OF, ()) if each.value is None else each
        ),
        "None equals everything": comparing(lambda each: None if each.value is None else each),
    },
    "test_conditions_are_joined_by_and": {"only one condition holds": filtering(lambda where: where[:1])},
    "test_times_are_compared_as_instants": {"times are compared without their zone": comparing(_wall_time)},
}


class TestMutants(MutantSuite):
    """Broken selections."""

    suite = SelectionsSuite
    mutants = MUTANTS
    kinds = READ_STORES
    unbroken = staticmethod(unbroken_read_store)
