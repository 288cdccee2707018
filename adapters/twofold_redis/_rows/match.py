"""Filter and sort rows in this process, where an index is not enough."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from twofold import View
from twofold.ports import Condition, Selection, condition_test

from .shape import Shape

V = TypeVar("V", bound=View)


def matching(shape: Shape[V], rows: Iterable[V], where: Sequence[Condition]) -> list[V]:
    """Return the rows that match all conditions. Values are compared by their encoded bytes, as in the indexes."""
    found = list(rows)
    for condition in where:
        holds = condition_test(condition, shape.columns[condition.field].encode)
        found = [row for row in found if holds(getattr(row, condition.field))]
    return found


def page(shape: Shape[V], rows: Sequence[V], selection: Selection) -> list[V]:
    """Return the rows of a selection, given all rows that match: sorted, after a row, with offset and limit."""
    found = list(rows)
    for term in reversed(selection.order_by):
        found.sort(key=_value_of(shape, term.field), reverse=term.descending)
    if selection.after is not None:
        found = [row for row in found if _is_after(shape, row, selection, selection.after)]
    end = None if selection.limit is None else selection.offset + selection.limit
    return found[selection.offset : end]


def _value_of(shape: Shape[V], field: str) -> Callable[[V], bytes]:
    encode = shape.columns[field].encode
    return lambda row: encode(getattr(row, field))


def _is_after(shape: Shape[Any], row: View, selection: Selection, after: tuple[object, ...]) -> bool:
    """Return whether a row sorts after these values of the order."""
    for term, value in zip(selection.order_by, after, strict=True):
        encode = shape.columns[term.field].encode
        mine, other = encode(getattr(row, term.field)), encode(value)
        if mine != other:
            return mine < other if term.descending else mine > other
    return False
