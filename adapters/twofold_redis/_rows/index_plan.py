"""Which part of which index holds the rows of a selection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, cast

from twofold.ports import Condition, Operator, Ordering, Selection

from .shape import Index, Shape

_COMPARED: Final = frozenset({Operator.GT, Operator.GE, Operator.LT, Operator.LE})


class Range(NamedTuple):
    """Members from one, included, up to another, which is not; None where there is no end."""

    low: bytes
    high: bytes | None


@dataclass(frozen=True, slots=True)
class Plan:
    """A way to find the rows of a selection.

    Attributes:
        index: where to look; None to look at all rows.
        ranges: which of its members.
        reverse: from the last to the first.
        exact: all that is found matches, and nothing else does.
        sorted: it is found in the order that is wanted, and only behind the row that was given.
    """

    index: Index | None = None
    ranges: tuple[Range, ...] = ()
    reverse: bool = False
    exact: bool = False
    sorted: bool = False


def plan_for(shape: Shape[Any], selection: Selection) -> Plan:
    """Return the best way to find the rows of a selection; without an order, the best way to count them."""
    plans = [_plan(shape, index, selection) for index in (shape.order, *shape.indexes)]
    (complete, used), plan = max(plans, key=lambda ranked: ranked[0])
    return plan if complete or used else Plan()


def _plan(shape: Shape[Any], index: Index, selection: Selection) -> tuple[tuple[bool, int], Plan]:
    part = _part(index, selection.where)
    exact = len(part.used) == len(selection.where)
    reverse = _direction(index, part, selection.order_by) if len(part.ranges) == 1 else None
    ranges = part.ranges
    if reverse is not None and selection.after is not None:
        lag = _behind(shape, index, part, selection, reverse=reverse)
        ranges, reverse = ((lag,), reverse) if lag else (ranges, None)
    plan = Plan(index, ranges, bool(reverse), exact, reverse is not None)
    return (exact and (plan.sorted or not selection.order_by), len(part.used)), plan


class _Part(NamedTuple):
    """What an index knows about some conditions: where to look, the values of its first columns, and which it used."""

    ranges: tuple[Range, ...]
    fixed: tuple[Any, ...]
    used: frozenset[int]


def _part(index: Index, where: Sequence[Condition]) -> _Part:
    """Take as many columns as are equal to something, then one that is compared, or one of several."""
    low, fixed, used = b"", list[Any](), set[int]()
    for position, column in enumerate(index.columns):
        mine = {number: each for number, each in enumerate(where) if each.field == column.field}
        equal = next((number for number, each in mine.items() if each.operator is Operator.EQ), None)
        if equal is None:
            ranges, further = _further(index, position, mine, low)
            return _Part(ranges, tuple(fixed), frozenset({*used, *further}))
        used.add(equal)
        encoded = index.encode(position, mine[equal].value)
        if encoded is None:
            return _Part((), tuple(fixed), frozenset(used))
        low += encoded
        fixed.append(mine[equal].value)
    return _Part((Range(low, index.end(low, len(fixed))),), tuple(fixed), frozenset(used))


def _further(
    index: Index, position: int, mine: dict[int, Condition], low: bytes
) -> tuple[tuple[Range, ...], frozenset[int]]:
    """Return the ranges behind some fixed columns that the next one leaves, and the conditions that this used."""
    for number, each in mine.items():
        if each.operator is Operator.ONE_OF:
            options = [index.encode(position, option) for option in cast("tuple[Any, ...]", each.value)]
            begins = sorted({low + option for option in options if option is not None})
            return tuple(Range(begin, index.end(begin, position + 1)) for begin in begins), frozenset({number})
    span = Range(low, index.end(low, position))
    compared = {number: each for number, each in mine.items() if each.operator in _COMPARED}
    for _, operator, value in compared.values():
        at = low + cast(bytes, index.encode(position, value))
        span = _narrowed(span, operator, at, index.end(at, position + 1))
    if compared and index.columns[position].optional:
        span = Range(max(span.low, low + b"\x01"), span.high)  # None stands before all values, and matches nothing
    return (span,), frozenset(compared)


def _narrowed(span: Range, operator: Operator, at: bytes, end: bytes | None) -> Range:
    """Return what a comparison leaves of a range; `at` is where its value begins, `end` where that ends."""
    match operator:
        case Operator.GE:
            return Range(max(span.low, at), span.high)
        case Operator.GT:
            return Range(max(span.low, end), span.high) if end is not None else Range(at, at)
        case Operator.LT:
            return Range(span.low, at if span.high is None else min(span.high, at))
        case _:
            return Range(span.low, end if span.high is None or end is None else min(span.high, end))


def _direction(index: Index, part: _Part, order_by: Sequence[Ordering]) -> bool | None:
    """Return whether an index gives an order backwards; None when it does not give it at all."""
    fixed = {column.field for column in index.columns[: len(part.fixed)]}
    wanted = [each for each in order_by if each.field not in fixed]
    left = [column.field for column in index.columns[len(part.fixed) :]]
    if [each.field for each in wanted] != left or len({each.descending for each in wanted}) > 1:
        return None
    return bool(wanted) and wanted[0].descending


def _behind(shape: Shape[Any], index: Index, part: _Part, selection: Selection, *, reverse: bool) -> Range | None:
    """Return what of the only range lies behind the row that was given; None when that row is not of this range."""
    given = {each.field: value for each, value in zip(selection.order_by, selection.after or (), strict=True)}
    fixed = {column.field: value for column, value in zip(index.columns, part.fixed, strict=False)}
    if any(field in given and given[field] != value for field, value in fixed.items()):
        return None
    member = shape.member(index, {**given, **fixed})
    (span,) = part.ranges
    if reverse:
        return Range(span.low, member if span.high is None else min(span.high, member))
    return Range(max(span.low, member + b"\x00"), span.high)
