"""The rows of read models, and their shadow rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Generic, TypeVar

from twofold import RowCodec, View
from twofold.errors import NotStorable
from twofold.ports import Condition, Operator, RowChange, Selection

from ._step import Step
from ._tables import ROWS, Row

V = TypeVar("V", bound=View)

_COMPARE: Mapping[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQ: lambda field, value: bool(field == value),
    Operator.GT: lambda field, value: field is not None and bool(field > value),
    Operator.GE: lambda field, value: field is not None and bool(field >= value),
    Operator.LT: lambda field, value: field is not None and bool(field < value),
    Operator.LE: lambda field, value: field is not None and bool(field <= value),
    Operator.ONE_OF: lambda field, value: field in value,
}


def rows_of(view: type[View], *, shadow: bool = False) -> str:
    """Return the table of a view's rows, or of its shadow rows."""
    return f"{ROWS}{view.view_name}{'@rebuild' if shadow else ''}"


class InMemoryRows(Generic[V]):
    """Reads and changes the rows of a view, in one transaction. Rows are stored as JSON text.

    Args:
        step: the transaction.
        view: the view.
        table: the table of its rows.
    """

    def __init__(self, step: Step, view: type[V], table: str) -> None:
        self._step = step
        self._codec = RowCodec(view)
        self._table = table

    async def get_many(self, keys: Collection[object]) -> Mapping[object, V]:
        """Return the rows that exist, by key."""
        overlay = self._step.reading()
        found = ((key, overlay.get(self._table, key)) for key in keys)
        return {key: self._codec.decode(row.text) for key, row in found if row is not None and row.text is not None}

    async def select(self, selection: Selection) -> Sequence[V]:
        """Return the rows of a selection, in its order."""
        rows = self._matching(selection.where)
        for term in reversed(selection.order_by):
            rows.sort(key=lambda row: _sortable(getattr(row, term.field)), reverse=term.descending)
        if selection.after is not None:
            rows = [row for row in rows if _behind(row, selection, selection.after)]
        end = None if selection.limit is None else selection.offset + selection.limit
        return rows[selection.offset : end]

    async def count(self, where: Sequence[Condition]) -> int:
        """Return how many rows match."""
        return len(self._matching(where))

    async def write(self, changes: Sequence[RowChange[V]]) -> None:
        """Apply changes, except those older than their row."""
        overlay = await self._step.writing()
        for change in changes:
            old: Row | None = overlay.get(self._table, change.key)
            if old is None or old.position <= change.position:
                text = None if change.row is None else self._encode(change.row)
                overlay.put(self._table, change.key, Row(text, change.position))

    def _matching(self, where: Sequence[Condition]) -> list[V]:
        stored = self._step.reading().items(self._table)
        rows = (self._codec.decode(row.text) for _, row in stored if row.text is not None)
        return [row for row in rows if all(_holds(row, condition) for condition in where)]

    def _encode(self, row: V) -> str:
        try:
            return self._codec.encode(row)
        except NotStorable as error:
            raise self._step.broken(error) from error.__cause__


class InMemoryShadows:
    """The `ShadowRows` of a transaction."""

    __slots__ = ("_step",)

    def __init__(self, step: Step) -> None:
        self._step = step

    async def clear(self, views: Sequence[type[View]]) -> None:
        """Delete all shadow rows of these views."""
        overlay = await self._step.writing()
        for view in views:
            overlay.clear(rows_of(view, shadow=True))

    async def swap(self, views: Sequence[type[View]]) -> None:
        """Replace the rows of these views by their shadow rows."""
        overlay = await self._step.writing()
        for view in views:
            rows, shadow = rows_of(view), rows_of(view, shadow=True)
            published = dict(overlay.items(shadow))
            overlay.clear(rows)
            overlay.clear(shadow)
            for key, row in published.items():
                overlay.put(rows, key, row)


def _holds(row: View, condition: Condition) -> bool:
    value = condition.value
    if condition.operator is Operator.ONE_OF:
        value = tuple(map(_sortable, value)) if isinstance(value, tuple) else ()
    else:
        value = _sortable(value)
    return _COMPARE[condition.operator](_sortable(getattr(row, condition.field)), value)


def _sortable(value: Any) -> Any:
    """Return what a value is compared by: an enum by what is stored of it."""
    return getattr(value, "value", value)


def _behind(row: View, selection: Selection, after: tuple[object, ...]) -> bool:
    """Return whether a row comes after the place that these values of its order stand for."""
    for term, value in zip(selection.order_by, after, strict=True):
        mine, other = _sortable(getattr(row, term.field)), _sortable(value)
        if mine != other:
            return bool(mine < other if term.descending else mine > other)
    return False
