"""The rows of one view."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Generic, TypeVar

from twofold import RowCodec, View
from twofold.errors import NotStorable, TwofoldError
from twofold.ports import Condition, Operator, RowChange, Selection

from ._tables import ROWS, Overlay, Row

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
    """Return what the rows of a view are kept under."""
    return f"{ROWS}{view.view_name}{'@rebuild' if shadow else ''}"


class InMemoryRows(Generic[V]):
    """Reads and changes the rows of a view, in one transaction. Rows are kept as JSON text.

    Args:
        view: the view.
        table: what its rows are kept under.
        overlay: what the transaction sees.
        writing: awaited before a change; it raises when the transaction cannot write.
        check: called before a read; it raises when the transaction cannot be used.
        refused: notes that an error broke the transaction.
    """

    def __init__(
        self,
        view: type[V],
        table: str,
        overlay: Overlay,
        writing: Callable[[], Awaitable[None]],
        check: Callable[[], None],
        refused: Callable[[TwofoldError], TwofoldError],
    ) -> None:
        self._codec = RowCodec(view)
        self._table = table
        self._overlay = overlay
        self._writing = writing
        self._check = check
        self._refused = refused

    async def get_many(self, keys: Collection[object]) -> Mapping[object, V]:
        """Return the rows that exist, by key."""
        self._check()
        found = ((key, self._overlay.get(self._table, key)) for key in keys)
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
        await self._writing()
        for change in changes:
            old: Row | None = self._overlay.get(self._table, change.key)
            if old is None or old.position <= change.position:
                text = None if change.row is None else self._encode(change.row)
                self._overlay.put(self._table, change.key, Row(text, change.position))

    def _matching(self, where: Sequence[Condition]) -> list[V]:
        self._check()
        rows = (self._codec.decode(row.text) for _, row in self._overlay.items(self._table) if row.text is not None)
        return [row for row in rows if all(_holds(row, condition) for condition in where)]

    def _encode(self, row: V) -> str:
        try:
            return self._codec.encode(row)
        except NotStorable as error:
            raise self._refused(error) from error.__cause__


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
