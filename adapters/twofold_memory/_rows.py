"""The rows of read models, and their shadow rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Generic, TypeVar

from twofold import RowCodec, View
from twofold.errors import NotStorable, UnreadableRow
from twofold.ports import Condition, RowChange, Selection, condition_test, scalar_form

from ._step import Step
from ._tables import ROWS, Row

V = TypeVar("V", bound=View)


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
        return {
            key: self._codec.decode(row.text, key) for key, row in found if row is not None and row.text is not None
        }

    async def select(self, selection: Selection, *, unreadable: list[UnreadableRow] | None = None) -> Sequence[V]:
        """Return the rows of a selection, in its order."""
        rows = self._matching(selection.where, unreadable)
        for term in reversed(selection.order_by):
            rows.sort(key=lambda row: _sortable(getattr(row, term.field)), reverse=term.descending)
        if selection.after is not None:
            rows = [row for row in rows if _behind(row, selection, selection.after)]
        end = None if selection.limit is None else selection.offset + selection.limit
        return rows[selection.offset : end]

    async def count(self, where: Sequence[Condition]) -> int:
        """Return how many rows match."""
        unreadable: list[UnreadableRow] = []
        return len(self._matching(where, unreadable)) + len(unreadable)

    async def write(self, changes: Sequence[RowChange[V]]) -> None:
        """Apply changes, except those older than their row."""
        overlay = await self._step.writing()
        for change in changes:
            old: Row | None = overlay.get(self._table, change.key)
            if old is None or old.position <= change.position:
                overlay.put(self._table, change.key, Row(self._text_of(change), change.position))

    def _matching(self, where: Sequence[Condition], unreadable: list[UnreadableRow] | None) -> list[V]:
        stored = self._step.reading().items(self._table)
        rows = self._codec.decode_all(((key, row.text) for key, row in stored if row.text is not None), unreadable)
        tests = [(condition.field, condition_test(condition, _sortable)) for condition in where]
        return [row for row in rows if all(holds(getattr(row, field)) for field, holds in tests)]

    def _text_of(self, change: RowChange[V]) -> str | None:
        try:
            return self._codec.text_of(change)
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


def _sortable(value: Any) -> Any:
    """Return the value that is compared in place of a field's value."""
    cls: type = type(value)
    form = scalar_form(cls)
    return value if form is None else form.value_of(value)


def _behind(row: View, selection: Selection, after: tuple[object, ...]) -> bool:
    """Return whether a row comes after the place that these values of its order stand for."""
    for term, value in zip(selection.order_by, after, strict=True):
        mine, other = _sortable(getattr(row, term.field)), _sortable(value)
        if mine != other:
            return bool(mine < other if term.descending else mine > other)
    return False
