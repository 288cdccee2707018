"""A cursor that has all rows once it has executed a statement."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, NamedTuple, Self


class Outcome(NamedTuple):
    """The result of a statement, in the terms of a DB-API cursor."""

    rows: Sequence[Any]
    description: Any
    rowcount: int
    lastrowid: int | None


class SqliteCursor:
    """The part of a cursor's interface that SQLAlchemy uses.

    Args:
        run: runs a statement.
        run_many: runs a statement once for each set of parameters.
    """

    arraysize = 1

    def __init__(
        self, run: Callable[[str, Any], Awaitable[Outcome]], run_many: Callable[[str, Iterable[Any]], Awaitable[int]]
    ) -> None:
        self._run = run
        self._run_many = run_many
        self._rows: Sequence[Any] = ()
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, operation: str, parameters: Any = ()) -> Self:
        """Execute a statement and fetch its rows."""
        self._rows, self.description, self.rowcount, self.lastrowid = await self._run(operation, parameters)
        return self

    async def executemany(self, operation: str, parameters: Iterable[Any]) -> Self:
        """Execute a statement once for each set of parameters."""
        self.rowcount = await self._run_many(operation, parameters)
        return self

    async def fetchone(self) -> Any:
        """Return the next row, or None."""
        rows = await self.fetchmany(1)
        return rows[0] if rows else None

    async def fetchmany(self, size: int | None = None) -> Sequence[Any]:
        """Return the next rows."""
        size = self.arraysize if size is None else size
        rows, self._rows = self._rows[:size], self._rows[size:]
        return rows

    async def fetchall(self) -> Sequence[Any]:
        """Return the remaining rows."""
        rows, self._rows = self._rows, ()
        return rows

    async def close(self) -> None:
        """Release the rows."""
        self._rows = ()
