"""Ranges of an index's members, and the ranges that conditions on one column leave.

Ranges in a tuple are sorted and do not overlap.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, cast

from twofold.ports import Condition, Operator

from .shape import Index


class Range(NamedTuple):
    """The members from `low`, inclusive, to `high`, exclusive. None for `high` means no end."""

    low: bytes
    high: bytes | None


def common(first: Sequence[Range], second: Sequence[Range]) -> tuple[Range, ...]:
    """Return the ranges of the members that are in both."""
    both = (Range(max(one.low, other.low), _lower(one.high, other.high)) for one, other in _overlapping(first, second))
    return tuple(both)


def united(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """Return the ranges of the members that are in any of some ranges, which may overlap."""
    result: list[Range] = []
    for each in sorted(ranges, key=lambda one: one.low):
        if result and (result[-1].high is None or each.low <= result[-1].high):
            low, high = result.pop()
            result.append(Range(low, None if high is None or each.high is None else max(high, each.high)))
        else:
            result.append(each)
    return tuple(result)


def ranges_of(index: Index, position: int, low: bytes, condition: Condition) -> tuple[Range, ...]:
    """Return the ranges of the members that match a condition on one column.

    Args:
        index: the index.
        position: the column.
        low: the encoded values of the columns before it.
        condition: the condition.
    """
    whole = Range(low, index.end(low, position))
    _, operator, value = condition
    if operator is Operator.ANY_OF:
        alternatives = cast("tuple[Condition, ...]", value)
        return united(part for each in alternatives for part in ranges_of(index, position, low, each))
    if operator is Operator.ONE_OF:
        points = (_point(index, position, low, each) for each in cast("tuple[Any, ...]", value))
        return united(point for point in points if point is not None)
    point = _point(index, position, low, value)
    if operator is Operator.EQ:
        return () if point is None else (point,)
    below, above = _around(whole, point)
    if operator is Operator.NE:
        return united((*below, *above))
    wanted = below if operator in (Operator.LT, Operator.LE) else above
    if operator in (Operator.LE, Operator.GE) and point is not None:
        wanted = united((*wanted, point))
    # None sorts before all values and matches no comparison by order.
    values = Range(low + b"\x01", whole.high) if index.columns[position].optional else whole
    return common(wanted, (values,))


def _point(index: Index, position: int, low: bytes, value: object) -> Range | None:
    """Return the range of the members with a value in a column; None if no row can have the value."""
    encoded = index.encode(position, value)
    return None if encoded is None else Range(low + encoded, index.end(low + encoded, position + 1))


def _around(whole: Range, point: Range | None) -> tuple[tuple[Range, ...], tuple[Range, ...]]:
    """Return the ranges before and after a point in a range."""
    if point is None:
        return (whole,), ()
    below = (Range(whole.low, point.low),) if whole.low < point.low else ()
    above = () if point.high is None else common((Range(point.high, None),), (whole,))
    return below, above


def _overlapping(first: Sequence[Range], second: Sequence[Range]) -> Iterator[tuple[Range, Range]]:
    """Yield the pairs that overlap, in order, in one pass over both."""
    one = other = 0
    while one < len(first) and other < len(second):
        left, right = first[one], second[other]
        if _begins_before(left.low, right.high) and _begins_before(right.low, left.high):
            yield left, right
        if right.high is None or (left.high is not None and left.high <= right.high):
            one += 1
        else:
            other += 1


def _begins_before(low: bytes, high: bytes | None) -> bool:
    return high is None or low < high


def _lower(first: bytes | None, second: bytes | None) -> bytes | None:
    if first is None or second is None:
        return second if first is None else first
    return min(first, second)
