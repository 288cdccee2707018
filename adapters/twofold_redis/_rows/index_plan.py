"""Choose the index and the ranges that hold the rows of a selection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from twofold.ports import Condition, Operator, Ordering, Selection

from .ranges import Range, common, ranges_of
from .shape import Index, Shape


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan to find the rows of a selection.

    Attributes:
        index: the index to read; None to read all rows.
        ranges: the ranges of its members.
        reverse: read from the last member to the first.
        exact: exactly the rows in the ranges match.
        sorted: the rows have the order of the selection, and come after the row where it starts.
    """

    index: Index | None = None
    ranges: tuple[Range, ...] = ()
    reverse: bool = False
    exact: bool = False
    sorted: bool = False


def plan_for(shape: Shape[Any], selection: Selection) -> Plan:
    """Return the best plan to find the rows of a selection, or to count them if the selection has no order."""
    plans = [_plan(shape, index, selection) for index in (shape.order, *shape.indexes)]
    (complete, used), plan = max(plans, key=lambda ranked: ranked[0])
    return plan if complete or used else Plan()


def _plan(shape: Shape[Any], index: Index, selection: Selection) -> tuple[tuple[bool, int], Plan]:
    part = _part(index, selection.where)
    exact = len(part.used) == len(selection.where)
    reverse = _direction(index, part, selection.order_by) if len(part.ranges) == 1 else None
    ranges = part.ranges
    if reverse is not None and selection.after is not None:
        rest = _after(shape, index, part, selection, reverse=reverse)
        ranges, reverse = ((rest,), reverse) if rest else (ranges, None)
    plan = Plan(index, ranges, bool(reverse), exact, reverse is not None)
    return (exact and (plan.sorted or not selection.order_by), len(part.used)), plan


class _Part(NamedTuple):
    """The ranges of an index for some conditions, the fixed values of its first columns, and the conditions in use."""

    ranges: tuple[Range, ...]
    fixed: tuple[Any, ...]
    used: frozenset[int]


def _part(index: Index, where: Sequence[Condition]) -> _Part:
    """Use all leading columns that are equal to a value, then all other conditions on one column."""
    low, fixed, used = b"", list[Any](), set[int]()
    for position, column in enumerate(index.columns):
        mine = {number: each for number, each in enumerate(where) if each.field == column.field}
        equal = next((number for number, each in mine.items() if each.operator is Operator.EQ), None)
        if equal is None:
            ranges: tuple[Range, ...] = (Range(low, index.end(low, position)),)
            for each in mine.values():
                ranges = common(ranges, ranges_of(index, position, low, each))
            return _Part(ranges, tuple(fixed), frozenset({*used, *mine}))
        used.add(equal)
        encoded = index.encode(position, mine[equal].value)
        if encoded is None:
            return _Part((), tuple(fixed), frozenset(used))
        low += encoded
        fixed.append(mine[equal].value)
    return _Part((Range(low, index.end(low, len(fixed))),), tuple(fixed), frozenset(used))


def _direction(index: Index, part: _Part, order_by: Sequence[Ordering]) -> bool | None:
    """Return whether an index has an order in reverse; None if the index does not have the order."""
    fixed = {column.field for column in index.columns[: len(part.fixed)]}
    wanted = [each for each in order_by if each.field not in fixed]
    left = [column.field for column in index.columns[len(part.fixed) :]]
    if [each.field for each in wanted] != left or len({each.descending for each in wanted}) > 1:
        return None
    return bool(wanted) and wanted[0].descending


def _after(shape: Shape[Any], index: Index, part: _Part, selection: Selection, *, reverse: bool) -> Range | None:
    """Return the part of the only range after the row where the selection starts; None if the row is not in the range."""
    given = {each.field: value for each, value in zip(selection.order_by, selection.after or (), strict=True)}
    fixed = {column.field: value for column, value in zip(index.columns, part.fixed, strict=False)}
    if any(field in given and given[field] != value for field, value in fixed.items()):
        return None
    member = shape.member(index, {**given, **fixed})
    (span,) = part.ranges
    if reverse:
        return Range(span.low, member if span.high is None else min(span.high, member))
    return Range(max(span.low, member + b"\x00"), span.high)
