"""Delete old idempotency keys and old records of the inbox."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Table, bindparam, delete, select

from .._connection.compiler import Compiler
from .._connection.database import Database
from .._dialects.codec import Kind

_DELETE: Final = "delete old records"


class RetentionStatements:
    """The statements on old records.

    Args:
        compiler: compiles the statements.
        table: the table of the records.
    """

    def __init__(self, compiler: Compiler, table: Table) -> None:
        self.time = compiler.columns.codec(Kind.DATETIME)
        first, second = table.primary_key.columns
        is_old = table.c.time < bindparam("before")
        oldest = select(first, second).where(is_old).order_by(table.c.time, first, second).limit(bindparam("size"))
        self.find = compiler.prepare(oldest)
        self.delete = compiler.prepare(
            delete(table).where(first == bindparam("of"), second == bindparam("this"), is_old)
        )


class SqlRetention:
    """A `Retention`. Concurrent calls delete in the same order, so that they cannot deadlock.

    Args:
        database: the database.
        statements: the statements on the records.
    """

    def __init__(self, database: Database, statements: RetentionStatements) -> None:
        self._database = database
        self._statements = statements

    async def delete(self, *, before: datetime, limit: int) -> int:
        """Delete the oldest records."""
        statements, encode = self._statements, self._statements.time.encode
        until = encode(before) if encode else before
        found = await self._database.fetch(statements.find, {"before": until, "size": limit}, _DELETE)
        if found:
            rows = [statements.delete.bind({"of": of, "this": this, "before": until}) for of, this in found]
            async with self._database.writing() as transaction:
                await transaction.change_many(statements.delete, rows, _DELETE)
        return len(found)
