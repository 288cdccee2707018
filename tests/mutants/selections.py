"""Stores that find the wrong rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from twofold.ports import Condition, Operator, Ordering, Selection

from .broken import Around, Break, break_part
from .mutant import Mutant


class Selects(Around):
    """Finds rows of another selection than the one it is given."""

    def __init__(self, inner: Any, change: Callable[[Selection], Selection]) -> None:
        super().__init__(inner)
        self._change = change

    async def select(self, selection: Selection) -> Any:
        return await self.inner.select(self._change(selection))


class Compares(Around):
    """Finds and counts rows that match other conditions than those it is given."""

    def __init__(self, inner: Any, change: Callable[[Sequence[Condition]], Sequence[Condition]]) -> None:
        super().__init__(inner)
        self._change = change

    async def select(self, selection: Selection) -> Any:
        return await self.inner.select(replace(selection, where=tuple(self._change(selection.where))))

    async def count(self, where: Sequence[Condition]) -> int:
        return int(await self.inner.count(tuple(self._change(where))))


class CountsAll(Around):
    """Counts every row."""

    async def count(self, where: Sequence[Condition]) -> int:
        return int(await self.inner.count(()))


class Continues(Around):
    """Starts a page that lies behind a row at another place.

    Args:
        inner: the rows.
        start: which of the whole list's rows comes first, given where the row behind which it should begin stands.
    """

    def __init__(self, inner: Any, start: Callable[[Selection, list[Any], int], int]) -> None:
        super().__init__(inner)
        self._start = start

    async def select(self, selection: Selection) -> Any:
        if selection.after is None:
            return await self.inner.select(selection)
        whole = list(await self.inner.select(replace(selection, after=None, limit=None)))
        values = [tuple(getattr(row, term.field) for term in selection.order_by) for row in whole]
        first = self._start(selection, whole, values.index(selection.after))
        return whole[first : None if selection.limit is None else first + selection.limit]


class PagesByNumber(Around):
    """Turns a place behind a row into a number of rows to leave out, as it was when the page before was read."""

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


def selecting(change: Callable[[Selection], Selection]) -> Break:
    """Break each selection."""
    return break_part("rows", lambda: lambda rows: Selects(rows, change))


def comparing(change: Callable[[Condition], Condition | None]) -> Break:
    """Break each condition; None leaves it out."""

    def changed(where: Sequence[Condition]) -> Sequence[Condition]:
        return [other for each in where if (other := change(each)) is not None]

    return break_part("rows", lambda: lambda rows: Compares(rows, changed))


def instead(operators: Mapping[Operator, Operator]) -> Break:
    """Use one operator for another."""
    return comparing(lambda each: each._replace(operator=operators.get(each.operator, each.operator)))


def continuing(start: Callable[[Selection, list[Any], int], int]) -> Break:
    """Break where a keyset page begins."""
    return break_part("rows", lambda: lambda rows: Continues(rows, start))


def ordering(change: Callable[[tuple[Ordering, ...]], tuple[Ordering, ...]]) -> Break:
    """Break the order."""
    return selecting(lambda selection: replace(selection, order_by=change(selection.order_by)))


def _flipped(term: Ordering) -> Ordering:
    return Ordering(term.field, not term.descending)


def _by_number() -> Callable[[Any], Any]:
    given: dict[object, int] = {}
    return lambda rows: PagesByNumber(rows, given)


def _past_ties(selection: Selection, whole: list[Any], at: int) -> int:
    field = selection.order_by[0].field
    same = [index for index, row in enumerate(whole) if getattr(row, field) == getattr(whole[at], field)]
    return same[-1] + 1


def _wall_time(each: Condition) -> Condition:
    return each._replace(value=each.value.replace(tzinfo=UTC)) if isinstance(each.value, datetime) else each


def _without_none(each: Condition) -> Condition:
    if each.operator is Operator.ONE_OF and isinstance(each.value, tuple):
        return each._replace(value=tuple(value for value in each.value if value is not None))
    return each


def _first_of(each: Condition) -> Condition:
    if each.operator is Operator.ONE_OF and isinstance(each.value, tuple):
        return each._replace(value=each.value[:1])
    return each


def _nothing_for_none(each: Condition) -> Condition:
    return Condition(each.field, Operator.ONE_OF, ()) if each.value is None else each


def _rounded(each: Condition) -> Condition:
    return each._replace(value=each.value.to_integral_value()) if isinstance(each.value, Decimal) else each


MUTANTS: Sequence[Mutant] = (
    Mutant("a keyset page repeats the row before it", "test_keyset_pages", continuing(lambda *at: at[2])),
    Mutant("a keyset page leaves out a row", "test_keyset_pages", continuing(lambda *at: at[2] + 2)),
    Mutant("a keyset page begins anew", "test_keyset_pages", continuing(lambda *_: 0)),
    Mutant("a keyset page skips rows that tie", "test_keyset_pages", continuing(_past_ties)),
    Mutant(
        "keyset pages are counted pages",
        "test_keyset_pages_are_stable",
        break_part("rows", _by_number),
    ),
    Mutant(
        "a keyset page forgets the conditions",
        "test_keyset_with_conditions",
        selecting(lambda selection: selection if selection.after is None else replace(selection, where=())),
    ),
    Mutant(
        "ties come in the wrong order",
        "test_order",
        ordering(lambda order: (*order[:-1], _flipped(order[-1])) if len(order) > 1 else order),
    ),
    Mutant(
        "descending is ignored", "test_order", ordering(lambda order: tuple(Ordering(term.field) for term in order))
    ),
    Mutant("only the first field sorts", "test_order", ordering(lambda order: (order[0], *order[-1:]))),
    Mutant(
        "the second field sorts first",
        "test_order",
        ordering(lambda order: (order[1], order[0], *order[2:]) if len(order) > 2 else order),
    ),
    Mutant(
        "the offset is one too many",
        "test_offset_pages",
        selecting(lambda selection: replace(selection, offset=selection.offset + bool(selection.offset))),
    ),
    Mutant(
        "the offset is ignored",
        "test_offset_pages",
        selecting(lambda selection: replace(selection, offset=0)),
    ),
    Mutant(
        "a page has a row too many",
        "test_offset_pages",
        selecting(lambda selection: replace(selection, limit=selection.limit and selection.limit + 1)),
    ),
    Mutant(
        "an offset without a limit is ignored",
        "test_offset_pages",
        selecting(lambda selection: selection if selection.limit else replace(selection, offset=0)),
    ),
    Mutant("a count ignores the conditions", "test_comparisons", break_part("rows", lambda: CountsAll)),
    Mutant("above is at least", "test_comparisons", instead({Operator.GT: Operator.GE})),
    Mutant("at least is above", "test_comparisons", instead({Operator.GE: Operator.GT})),
    Mutant("below is at most", "test_comparisons", instead({Operator.LT: Operator.LE})),
    Mutant("at most is below", "test_comparisons", instead({Operator.LE: Operator.LT})),
    Mutant("decimals are rounded to compare", "test_comparisons", comparing(_rounded)),
    Mutant(
        "one of matches nothing",
        "test_one_of",
        comparing(lambda each: each._replace(value=()) if each.operator is Operator.ONE_OF else each),
    ),
    Mutant("one of looks at the first value only", "test_one_of", comparing(_first_of)),
    Mutant("one of forgets None", "test_one_of", comparing(_without_none)),
    Mutant(
        "one of none matches everything",
        "test_one_of",
        comparing(lambda each: None if each.operator is Operator.ONE_OF and not each.value else each),
    ),
    Mutant("None equals nothing", "test_equal_none", comparing(_nothing_for_none)),
    Mutant("None equals everything", "test_equal_none", comparing(lambda each: None if each.value is None else each)),
    Mutant(
        "only one condition holds",
        "test_conditions_are_joined_by_and",
        break_part("rows", lambda: lambda rows: Compares(rows, lambda where: where[:1])),
    ),
    Mutant("times are compared without their zone", "test_times_are_compared_as_instants", comparing(_wall_time)),
)
