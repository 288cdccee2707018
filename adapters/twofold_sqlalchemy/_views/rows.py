"""Reading and writing the rows of a view."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Executable, bindparam, false, func, select

from twofold import View
from twofold.errors import NotStorable, UnreadableRow
from twofold.ports import Condition, RowChange, Selection

from .._connection.compiler import Compiler
from .._connection.open_transaction import OpenTransaction, UniqueViolation
from .conditions import Conditions, padded
from .table import ViewTable

V = TypeVar("V", bound=View)

_KEYS = 512
"""Keys that one select asks for at most."""


class TableRows(Generic[V]):
    """The rows of a view in one transaction: a `RowWriter`.

    Args:
        compiler: compiles and keeps the statements.
        view: the view, bound to its table.
        transaction: the open transaction.
    """

    def __init__(self, compiler: Compiler, view: ViewTable[V], transaction: OpenTransaction) -> None:
        self._compiler = compiler
        self._view = view
        self._transaction = transaction
        self._conditions = Conditions(view, compiler.sql)

    async def get_many(self, keys: Collection[object]) -> Mapping[object, V]:
        """Return the rows that exist, by key."""
        view, found = self._view, dict[object, V]()
        encoded = list({view.encode_key(key): None for key in keys})
        for start in range(0, len(encoded), _KEYS):
            chunk = encoded[start : start + _KEYS]
            size = padded(len(chunk))
            prepared = self._compiler.prepared((view, "keys", size), partial(self._by_keys, size))
            chunk += chunk[-1:] * (size - len(chunk))
            values = {f"key{index}": key for index, key in enumerate(chunk)}
            for row in await self._transaction.fetch(prepared, values, self._action("read rows")):
                made = view.decode(row)
                found[made.key] = made
        self._transaction.check()
        return found

    async def select(self, selection: Selection, *, unreadable: list[UnreadableRow] | None = None) -> Sequence[V]:
        """Return the rows of a selection, in its order."""
        where, values = self._conditions.shape(selection.where)
        paging = selection.limit is not None, bool(selection.offset)
        order = tuple((order.field, order.descending) for order in selection.order_by)
        shape = (self._view, "select", where, order, selection.after is not None, paging)
        for index, (ordering, value) in enumerate(zip(selection.order_by, selection.after or (), strict=False)):
            values[f"after{index}"] = self._conditions.encoded(ordering.field, value)
        values |= {"size": selection.limit, "skipped": selection.offset}
        prepared = self._compiler.prepared(shape, lambda: self._selected(selection, paging))
        rows = await self._transaction.fetch(prepared, values, self._action("find rows"))
        return self._view.decode_all(rows, unreadable)

    async def count(self, where: Sequence[Condition]) -> int:
        """Return how many rows match."""
        shape, values = self._conditions.shape(where)
        prepared = self._compiler.prepared((self._view, "count", shape), lambda: self._counted(where))
        return int((await self._transaction.fetch(prepared, values, self._action("count rows")))[0][0])

    async def write(self, changes: Sequence[RowChange[V]]) -> None:
        """Apply changes in one statement; the database leaves out those that are older than their row."""
        action = self._action("write rows")
        self._transaction.check_writable(action)
        if not changes:
            return
        view = self._view
        prepared = self._compiler.prepared(
            (view, "write"),
            lambda: self._compiler.sql.upsert(view.table, view.key, view.table.c["_position"]),
        )
        try:
            rows = [view.encode(change) for change in changes]
            await self._transaction.change_many(prepared, rows, action)
        except NotStorable as error:
            self._transaction.doom(error)
            raise
        except UniqueViolation as violation:  # by an index that the user has added
            raise NotStorable(str(violation.as_error(action))) from violation.__cause__

    def _action(self, what: str) -> str:
        return f"{what} of {self._view.view.__qualname__}"

    def _by_keys(self, size: int) -> Executable:
        view = self._view
        wanted = view.key.in_([bindparam(f"key{index}") for index in range(size)])
        return select(*self._columns()).where(wanted, self._alive())

    def _selected(self, selection: Selection, paging: tuple[bool, bool]) -> Executable:
        statement = select(*self._columns()).where(self._alive(), *self._conditions.clauses(selection.where))
        if selection.after is not None:
            statement = statement.where(self._conditions.behind(selection.order_by))
        for ordering in selection.order_by:
            column = self._conditions.comparable(ordering.field)
            statement = statement.order_by(column.desc() if ordering.descending else column.asc())
        if paging[0]:
            statement = statement.limit(bindparam("size"))
        if paging[1]:
            statement = statement.offset(bindparam("skipped"))
        return statement

    def _counted(self, where: Sequence[Condition]) -> Executable:
        counted = select(func.count()).select_from(self._view.table)
        return counted.where(self._alive(), *self._conditions.clauses(where))

    def _columns(self) -> list[ColumnElement[Any]]:
        return [self._compiler.sql.readable(self._view.table.c[field.name]) for field in self._view.fields]

    def _alive(self) -> ColumnElement[bool]:
        return self._view.table.c["_deleted"].is_(false())
