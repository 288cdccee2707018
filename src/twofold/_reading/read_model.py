"""Read models: the rows that queries read and projections write."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Generic, Protocol, TypeVar

from .._definitions.position import START, Position
from .._definitions.view import View
from .._encoding.row_json import checked_row
from ..errors import NotStorable, ReadOnlyUnitOfWork, RowNotFound, UnitOfWorkClosed
from ..ports.rows import RowChange, RowReader, RowWriter
from .find import Keyset, OrderBy, Page, Rows, Where, conditions, cursor, selection

V = TypeVar("V", bound=View)


class ReadModel(Protocol[V]):
    """The rows of one view. A parameter of this type is provided to projections, which write, and to queries.

    Inside a projection every call sees what the projection wrote before; nobody else does until its batch commits,
    together with the checkpoint. Anywhere else the rows are one committed state of the store and cannot be changed:
    there `put`, `update` and `delete` raise `ReadOnlyUnitOfWork`.
    """

    async def get(self, key: object) -> V | None:
        """Return the row of a key, or None."""
        ...

    async def get_many(self, keys: Collection[object]) -> Mapping[object, V]:
        """Return the rows that exist, by key."""
        ...

    async def find(
        self, where: Where | None = None, *, order_by: OrderBy = (), page: Page | Keyset | None = None
    ) -> Rows[V]:
        """Return rows that match, sorted, whole or by page.

        Args:
            where: fields with the values they must equal, or with comparisons (`at_least(5)`); all must hold.
            order_by: fields to sort by, `-` in front for descending; the key decides between equals.
            page: a numbered `Page` (with a total), a `Keyset` page (stable while rows are added), or all rows.

        Raises:
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
            NotStorable: a field does not fit, or does not exist.
        """
        ...

    async def delete(self, key: object) -> None:
        """Remove the row of a key, if there is one."""
        ...


class CommittedRows(Generic[V]):
    """A `ReadModel` that only reads.

    Args:
        view: the view.
        rows: returns the reader; called for each use, so that a scope can open its transaction at the first one.
    """

    def __init__(self, view: type[V], rows: Callable[[], Awaitable[RowReader[V]]]) -> None:
        self._view = view
        self._rows = rows

    async def get(self, key: object) -> V | None:
        return (await self.get_many((key,))).get(key)

    async def get_many(self, keys: Collection[object]) -> Mapping[object, V]:
        return await (await self._rows()).get_many(keys)

    async def find(
        self, where: Where | None = None, *, order_by: OrderBy = (), page: Page | Keyset | None = None
    ) -> Rows[V]:
        wanted = selection(self._view, where, order_by, page)
        rows = await self._rows()
        found = tuple(await rows.select(wanted))
        match page:
            case Page():
                return Rows(found, total=await rows.count(wanted.where))
            case Keyset() if len(found) > page.size:
                items = found[: page.size]
                return Rows(items, next=cursor(items[-1], wanted.order_by))
            case _:
                return Rows(found)

    async def count(self, where: Where | None = None) -> int:
        wanted = conditions(self._view, where)
        return await (await self._rows()).count(wanted)

    async def put(self, row: V) -> None:
        raise self._refusal("put a row into")

    async def update(self, key: object, **fields: Any) -> V:
        raise self._refusal("update a row of")

    async def delete(self, key: object) -> None:
        raise self._refusal("delete a row of")

    def _refusal(self, attempt: str) -> ReadOnlyUnitOfWork:
        return ReadOnlyUnitOfWork(
            f"cannot {attempt} {self._view.__qualname__} here: only a projection writes read models. "
            "Record an event, and write the row in a projection of it."
        )


class ProjectedRows(CommittedRows[V]):
    """A `ReadModel` that a projection writes: changes are kept until `flush`, then written in bulk.

    Args:
        view: the view.
        writer: the rows, in the transaction of the batch.
    """

    def __init__(self, view: type[V], writer: RowWriter[V]) -> None:
        super().__init__(view, self._flushed)
        self._writer = writer
        self._known: dict[object, V | None] = {}
        self._changed: dict[object, RowChange[V]] = {}
        self.position = START
        """The position of the event that is being projected; the projection's runner sets it."""
        self.refused: NotStorable | None = None
        """Why the store did not take what was flushed."""
        self.ended = False
        """Whether the projection has ended, and nothing that is put here would be written any more."""

    async def get(self, key: object) -> V | None:
        self._check()
        if key not in self._known:
            self._known[key] = (await self._writer.get_many((key,))).get(key)
        return self._known[key]

    async def get_many(self, keys: Collection[object]) -> Mapping[object, V]:
        self._check()
        unknown = [key for key in keys if key not in self._known]
        if unknown:
            found = await self._writer.get_many(unknown)
            self._known.update((key, found.get(key)) for key in unknown)
        return {key: row for key in keys if (row := self._known[key]) is not None}

    async def put(self, row: V) -> None:
        checked = checked_row(self._view, row)
        self._change(checked.key, checked, self.position)

    async def update(self, key: object, **fields: Any) -> V:
        row = await self.get(key)
        if row is None:
            raise RowNotFound(
                f"cannot update {self._view.__qualname__} {key!r}: there is no such row. "
                "Put it in the projection of the event that comes first, or check with get()."
            )
        changed = checked_row(self._view, row, fields)
        if changed.key != key:
            raise RowNotFound(f"cannot change the key of {self._view.__qualname__} {key!r}: delete and put instead.")
        self._change(key, changed, self.position)
        return changed

    async def delete(self, key: object) -> None:
        self._change(key, None, self.position)

    async def flush(self) -> None:
        """Write what was changed since the last flush."""
        if self._changed:
            changes = tuple(self._changed.values())
            self._changed.clear()
            try:
                await self._writer.write(changes)
            except NotStorable as refused:
                self.refused = refused
                raise

    def _change(self, key: object, row: V | None, position: Position) -> None:
        self._check()
        self._known[key] = row
        self._changed[key] = RowChange(key, row, position)

    async def _flushed(self) -> RowWriter[V]:
        self._check()
        await self.flush()
        return self._writer

    def _check(self) -> None:
        if self.ended:
            raise UnitOfWorkClosed(
                f"cannot use the rows of {self._view.__qualname__}: their projection has ended. Use them in its methods."
            )
