"""The inline projections of the event log."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from typing import Any, Final

from sqlalchemy import Executable, bindparam, delete, select, update

from .._connection.compiler import Compiler
from .._connection.open_transaction import OpenTransaction
from .._connection.statements import Statement
from .._schema.tables import Tables

_HOLD: Final = "lock inline projections"


class InlineStatements:
    """The statements on inline projections.

    Args:
        compiler: compiles the statements.
        tables: Twofold's tables in it.
    """

    def __init__(self, compiler: Compiler, tables: Tables) -> None:
        prepare, table, meta = compiler.prepare, tables.inline, tables.meta
        self._compiler = compiler
        self._table = table
        this = table.c.projection == bindparam("this")
        new: dict[str, Any] = {name: bindparam(name) for name in ("projection", "views")}
        self.insert = prepare(compiler.sql.insert_new(table).values(new))
        self.update = prepare(update(table).where(this).values(views=bindparam("new_views")))
        self.delete = prepare(delete(table).where(this))
        self.grow = prepare(update(meta).values(inline_generation=meta.c.inline_generation + 1))

    def hold(self, size: int) -> Statement:
        """Return the statement that locks a number of records."""
        return self._compiler.prepared(("inline", size), partial(self._hold, size))

    def _hold(self, size: int) -> Executable:
        table = self._table
        wanted = table.c.projection.in_([bindparam(f"name{index}") for index in range(size)])
        # All transactions lock in the same order, so that they cannot deadlock.
        return select(table.c.projection, table.c.views).where(wanted).order_by(table.c.projection).with_for_update()


class SqlInline:
    """The `InlineProjections` of a transaction. A row lock represents a held record."""

    __slots__ = ("_statements", "_transaction")

    def __init__(self, transaction: OpenTransaction, statements: InlineStatements) -> None:
        self._transaction = transaction
        self._statements = statements

    async def hold(self, projections: Collection[str]) -> None:
        """Lock some records."""
        self._transaction.check_writable(_HOLD)
        await self._held(projections)

    async def record(self, projection: str, views: str) -> None:
        """Store a record, or replace it."""
        action, statements = f"record the inline projection {projection}", self._statements
        self._transaction.check_writable(action)
        while not await self._transaction.change(statements.insert, {"projection": projection, "views": views}, action):
            for _, found in await self._held([projection]):
                if found != views:
                    await self._transaction.change(statements.update, {"this": projection, "new_views": views}, action)
                    await self._transaction.change(statements.grow, {}, action)
                return
            # Another transaction deleted the record in between.
        await self._transaction.change(statements.grow, {}, action)

    async def delete(self, projection: str) -> bool:
        """Delete a record."""
        action = f"delete the record of the inline projection {projection}"
        self._transaction.check_writable(action)
        found = bool(await self._transaction.change(self._statements.delete, {"this": projection}, action))
        if found:
            await self._transaction.change(self._statements.grow, {}, action)
        return found

    async def _held(self, projections: Collection[str]) -> Sequence[Any]:
        values = {f"name{index}": name for index, name in enumerate(projections)}
        return await self._transaction.fetch(self._statements.hold(len(values)), values, _HOLD)
