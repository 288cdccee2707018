"""Delete old idempotency keys and old records of the inbox."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Table, bindparam, delete, select

from .._connection.database import Database
from .._dialects.codec import Kind

_DELETE: Final = "delete old records"


class SqlRetention:
    """A `Retention`. Concurrent calls delete in the same order, so that they cannot deadlock.

    Args:
        database: the database.
        table: the table of the records.
    """

    def __init__(self, database: Database, table: Table) -> None:
        self._database = database
        self._time = database.dialect.columns.codec(Kind.DATETIME)
        first, second = table.primary_key.columns
        is_old = table.c.time < bindparam("before")
        oldest = select(first, second).where(is_old).order_by(table.c.time, first, second).limit(bindparam("size"))
        self._find = database.prepare(oldest)
        self._delete = database.prepare(
            delete(table).where(first == bindparam("of"), second == bindparam("this"), is_old)
        )

    async def delete(self, *, before: datetime, limit: int) -> int:
        """Delete the oldest records."""
        until = self._time.encode(before) if self._time.encode else before
        found = await self._database.fetch(self._find, {"before": until, "size": limit}, _DELETE)
        if found:
            rows = [self._delete.bind({"of": of, "this": this, "before": until}) for of, this in found]
            async with self._database.writing() as transaction:
                await transaction.change_many(self._delete, rows, _DELETE)
        return len(found)
