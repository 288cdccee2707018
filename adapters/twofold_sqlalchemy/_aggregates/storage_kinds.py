"""The kind of storage that each aggregate type uses."""

from __future__ import annotations

from sqlalchemy import bindparam, insert, select

from .._connection.compiler import Compiler
from .._connection.open_transaction import OpenTransaction
from .._schema.tables import Tables


class StorageKindStatements:
    """The statements on kinds of storage.

    Args:
        compiler: compiles the statements.
        tables: Twofold's tables in it.
    """

    def __init__(self, compiler: Compiler, tables: Tables) -> None:
        table = tables.kept
        first = select(table.c.way).where(table.c.aggregate == bindparam("of")).order_by(table.c.number).limit(1)
        self.get = compiler.prepare(first)
        self.add = compiler.prepare(insert(table).values(aggregate=bindparam("aggregate"), way=bindparam("way")))


class SqlStorageKinds:
    """The `StorageKinds` of a transaction. Each call inserts a row, so that no transaction waits. The first row counts."""

    __slots__ = ("_statements", "_transaction")

    def __init__(self, transaction: OpenTransaction, statements: StorageKindStatements) -> None:
        self._transaction = transaction
        self._statements = statements

    async def get(self, aggregate: str) -> str | None:
        """Return the first kind that was stored for an aggregate name, or None."""
        action = f"read the kind of storage of {aggregate}"
        rows = await self._transaction.fetch(self._statements.get, {"of": aggregate}, action)
        return rows[0][0] if rows else None

    async def add(self, aggregate: str, kind: str) -> None:
        """Store a kind."""
        action = f"store the kind of storage of {aggregate}"
        self._transaction.check_writable(action)
        await self._transaction.change(self._statements.add, {"aggregate": aggregate, "way": kind}, action)
