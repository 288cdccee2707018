"""Shadow rows of views, as a whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Table, delete, insert, select

from twofold import View

from .._connection.open_transaction import OpenTransaction
from .table import ViewTable


class SqlShadows:
    """The `ShadowRows` of a transaction.

    Args:
        transaction: the open transaction.
        table_of: returns the table of a view's rows, or of its shadow rows.
    """

    __slots__ = ("_table_of", "_transaction")

    def __init__(self, transaction: OpenTransaction, table_of: Callable[[type[View], bool], ViewTable[Any]]) -> None:
        self._transaction = transaction
        self._table_of = table_of

    async def clear(self, views: Sequence[type[View]]) -> None:
        """Delete all shadow rows of these views."""
        for view in views:
            await self._clear(self._table_of(view, True).table)

    async def swap(self, views: Sequence[type[View]]) -> None:
        """Replace the rows of these views by their shadow rows."""
        for view in views:
            rows, shadow = self._table_of(view, False).table, self._table_of(view, True).table
            await self._clear(rows)
            names = [column.name for column in rows.columns if column.computed is None]
            moved = insert(rows).from_select(names, select(*[shadow.c[name] for name in names]))
            await self._transaction.execute(moved, {}, f"move the rows of {shadow.name} to {rows.name}")
            await self._clear(shadow)

    async def _clear(self, table: Table) -> None:
        action = f"clear {table.name}"
        self._transaction.check_writable(action)
        await self._transaction.execute(delete(table), {}, action)
