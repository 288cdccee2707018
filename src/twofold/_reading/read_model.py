"""Read models: the rows that queries read and projections write."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Any, Generic, Protocol, TypeVar

from .._background.calls import Calls, recorded
from .._background.shown import shown
from .._definitions.position import START
from .._definitions.view import View
from .._encoding.checked_rows import CheckedRow, checked_row
from ..errors import NotStorable, ReadOnlyUnitOfWork, RowNotFound, UnitOfWorkClosed, UnreadableRow
from ..ports.rows import RowChange, RowReader, RowWriter
from .cursors import cursor
from .find import OrderBy, Where, conditions, selection
from .keys import row_key, row_keys
from .pages import Keyset, Page, Rows

V = TypeVar("V", bound=View)


class ReadModel(Protocol[V]):
    """The rows of one view. A parameter of this type is provided to projections, which write, and to queries.

    Inside a projection every call sees earlier writes of the projection. Other readers see them when the batch commits,
    together with the checkpoint. Outside of projections the rows are one committed state of the store and are
    read-only: `put`, `update` and `delete` raise `ReadOnlyUnitOfWork`.
    """

    async def get(self, key: object) -> V | None:
        """Return the row of a key, or None.

        A key of another type is converted to the type of the key field, such as "7" to 7.

        Raises:
            InvalidKey: the key does not fit the field.
        """
        ...

    async def get_many(self, keys: Collection[object]) -> Mapping[object, V]:
        """Return the rows that exist, by the keys that were given.

        Raises:
            InvalidKey: a key does not fit the field.
        """
        ...

    async def find(
        self,
        where: Where | None = None,
        *,
        order_by: OrderBy = (),
        page: Page | Keyset | None = None,
        skip_unreadable: bool = False,
    ) -> Rows[V]:
        """Return rows that match, sorted, whole or by page.

        Args:
            where: fields with the values that they must equal, or with comparisons, such as `ge(5)`; all must hold.
            order_by: fields to sort by, `-` in front for descending; the key decides between equals.
            page: a numbered `Page` (with a total), a `Keyset` page (stable while rows are added), or all rows.
            skip_unreadable: leave out rows that do not fit the view, and return their keys in `Rows.unreadable`.

        Raises:
            UnreadableRow: a row does not fit the view. The error names its key.
            InvalidFind: a field, value, order or cursor does not fit the view.
        """
        ...

    async def count(self, where: Where | None = None) -> int:
        """Return how many rows match."""
        ...

    async def put(self, row: V) -> None:
        """Store a row, new or in place of the one with its key. It is validated, however it was made.

        Raises:
            NotStorable: the row is of another view, or one of its fields does not fit.
        """
        ...

    async def update(self, key: object, **fields: Any) -> V:
        """Change some fields of a row and return the new row, validated.

        Raises:
            RowNotFound: there is no row of that key.
            InvalidKey: the key does not fit the field.
            NotStorable: a field does not fit, or does not exist.
        """
        ...

    async def delete(self, key: object) -> None:
        """Remove the row of a key, if there is one.

        Raises:
            InvalidKey: the key does not fit the field.
        """
        ...


class CommittedRows(Generic[V]):
    """A `ReadModel` that only reads.

    Args:
        view: the view.
        rows: returns the reader; called for each use, so that a scope can open its transaction at the first one.
        calls: notes the calls.
        report: called with the error of each unreadable row.
    """

    def __init__(
        self,
        view: type[V],
        rows: Callable[[], Awaitable[RowReader[V]]],
        calls: Calls | None = None,
        report: Callable[[UnreadableRow], object] | None = None,
    ) -> None:
        self._view = view
        self._rows = rows
        self._report = report
        self._calls = calls

    @recorded
    async def get(self, key: object) -> V | None:
        wanted = row_key(self._view, key)
        return (await self._read(await self._rows(), (wanted,))).get(wanted)

    @recorded
    async def get_many(self, keys: Collection[object]) -> Mapping[object, V]:
        wanted = row_keys(self._view, keys)
        found = await self._read(await self._rows(), list(dict.fromkeys(wanted.values())))
        return {key: row for key, value in wanted.items() if (row := found.get(value)) is not None}

    @recorded
    async def find(
        self,
        where: Where | None = None,
        *,
        order_by: OrderBy = (),
        page: Page | Keyset | None = None,
        skip_unreadable: bool = False,
    ) -> Rows[V]:
        wanted = selection(self._view, where, order_by, page)
        rows, unreadable = await self._rows(), list[UnreadableRow]()
        found = tuple(await rows.select(wanted, unreadable=unreadable))
        if self._report is not None:
            for error in unreadable:
                self._report(error)
        if unreadable and (not skip_unreadable or (not found and page is not None)):
            raise unreadable[0]
        keys = tuple(error.key for error in unreadable)
        match page:
            case Page():
                return Rows(found, total=await rows.count(wanted.where), unreadable=keys)
            case Keyset() if found and (len(found) > page.size or keys):
                items = found[: page.size]
                return Rows(items, next=cursor(items[-1], wanted.order_by), unreadable=keys)
            case _:
                return Rows(found, unreadable=keys)

    @recorded
    async def count(self, where: Where | None = None) -> int:
        wanted = conditions(self._view, where)
        return await (await self._rows()).count(wanted)

    @recorded
    async def put(self, row: V) -> None:
        raise self._refusal("put a row into")

    @recorded
    async def update(self, key: object, **fields: Any) -> V:
        raise self._refusal("update a row of")

    @recorded
    async def delete(self, key: object) -> None:
        raise self._refusal("delete a row of")

    async def _read(self, rows: RowReader[V], keys: Collection[object]) -> Mapping[object, V]:
        try:
            return await rows.get_many(keys)
        except UnreadableRow as error:
            if self._report is not None:
                self._report(error)
            raise

    def _refusal(self, attempt: str) -> ReadOnlyUnitOfWork:
        return ReadOnlyUnitOfWork(
            f"cannot {attempt} {self._view.__qualname__} here: only a projection writes read models. "
            "Record an event, and write the row in a projection of it."
        )


class ProjectedRows(CommittedRows[V]):
    """A `ReadModel` that a projection writes: changes are buffered until `flush`, then written in bulk.

    Args:
        view: the view.
        writer: the rows, in the transaction of the batch.
        calls: records the calls.
        report: called with the error of each unreadable row.
    """

    def __init__(
        self,
        view: type[V],
        writer: RowWriter[V],
        calls: Calls | None = None,
        report: Callable[[UnreadableRow], object] | None = None,
    ) -> None:
        super().__init__(view, self._flushed, calls, report)
        self._writer = writer
        self._known: dict[object, V | None] = {}
        self._changed: dict[object, RowChange[V]] = {}
        self.position = START
        """The position of the event that is being projected; the projection's runner sets it."""
        self.refused: NotStorable | None = None
        """The error with which the store refused flushed changes."""
        self.ended = False
        """Whether the projection has ended. Changes are refused then, because they would not be written."""

    @recorded
    async def get(self, key: object) -> V | None:
        self._check()
        wanted = row_key(self._view, key)
        await self._load((wanted,))
        return self._known[wanted]

    @recorded
    async def get_many(self, keys: Collection[object]) -> Mapping[object, V]:
        self._check()
        wanted = row_keys(self._view, keys)
        await self._load(dict.fromkeys(wanted.values()))
        return {key: row for key, value in wanted.items() if (row := self._known[value]) is not None}

    @recorded
    async def put(self, row: V) -> None:
        checked = checked_row(self._view, row)
        self._change(checked.row.__dict__[self._view.view_key], checked)

    @recorded
    async def update(self, key: object, **fields: Any) -> V:
        wanted = row_key(self._view, key)
        row = await self.get(wanted)
        if row is None:
            raise RowNotFound(
                f"cannot update {self._view.__qualname__} {shown(key)}: there is no such row. "
                "Put it in the projection of the event that comes first, or check with get()."
            )
        changed = checked_row(self._view, row, fields)
        if changed.row.key != wanted:
            raise RowNotFound(
                f"cannot change the key of {self._view.__qualname__} {shown(key)}: delete and put instead."
            )
        self._change(wanted, changed)
        return changed.row

    @recorded
    async def delete(self, key: object) -> None:
        self._check()
        self._change(row_key(self._view, key), None)

    async def flush(self) -> None:
        """Write the changes since the last flush."""
        if self._changed:
            changes = tuple(self._changed.values())
            self._changed.clear()
            try:
                await self._writer.write(changes)
            except NotStorable as refused:
                self.refused = refused
                raise

    async def _load(self, keys: Iterable[object]) -> None:
        unknown = [key for key in keys if key not in self._known]
        if unknown:
            found = await self._read(self._writer, unknown)
            self._known.update((key, found.get(key)) for key in unknown)

    def _change(self, key: object, changed: CheckedRow[V] | None) -> None:
        if self.ended:
            self._check()
        row, text = (None, None) if changed is None else changed
        self._known[key] = row
        self._changed[key] = RowChange(key, row, self.position, text)

    async def _flushed(self) -> RowWriter[V]:
        self._check()
        await self.flush()
        return self._writer

    def _check(self) -> None:
        if self.ended:
            raise UnitOfWorkClosed(
                f"cannot use the rows of {self._view.__qualname__}: their projection has ended. Use them in its methods."
            )
