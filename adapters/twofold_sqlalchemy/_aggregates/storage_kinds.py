"""The kind of storage that each aggregate type uses."""

from __future__ import annotations

from sqlalchemy import bindparam, insert, select

from .._connection.database import Database
from .._connection.open_transaction import Link
from .._schema.tables import Tables


class StorageKindStatements:
    """The statements on kinds of storage.

    Args:
        database: the database.
        tables: Twofold's tables in it.
    """

    def __init__(self, database: Database, tables: Tables) -> None:
        table = tables.kept
        first = select(table.c.way).where(table.c.aggregate == bindparam("of")).order_by(table.c.number).limit(1)
        self.get = database.prepare(first)
        self.add = database.prepare(insert(table).values(aggregate=bindparam("aggregate"), way=bindparam("way")))


class SqlStorageKinds:
    """The `StorageKinds` of a transaction. Each note is a row of its own, so that no transaction waits; the first counts."""

    __slots__ = ("_link", "_statements")

    def __init__(self, link: Link, statements: StorageKindStatements) -> None:
        self._link = link
        self._statements = statements

    async def get(self, aggregate: str) -> str | None:
        """Return the kind that was noted first for an aggregate name, or None."""
        attempt = f"read the kind of storage of {aggregate}"
        rows = await self._link.fetch(self._statements.get, {"of": aggregate}, attempt)
        return rows[0][0] if rows else None

    async def add(self, aggregate: str, kind: str) -> None:
        """Note a kind."""
        attempt = f"note the kind of storage of {aggregate}"
        self._link.check_writable(attempt)
        await self._link.change(self._statements.add, {"aggregate": aggregate, "way": kind}, attempt)
