"""The statements of one engine. Each statement is compiled once, when it first runs."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Executable
from sqlalchemy.ext.asyncio import AsyncEngine

from .._dialects.dialect import Dialect
from .statements import Statement, compiled


class Compiler:
    """Compiles statements, and keeps them. The stores of an engine share one compiler, so it does not refer to the engine.

    Args:
        engine: determines the SQL.
        dialect: the types and expressions of the database.
    """

    def __init__(self, engine: AsyncEngine, dialect: Dialect) -> None:
        self.columns = dialect.columns
        self.sql = dialect.sql
        self._engine_dialect = engine.dialect
        self._prepared: dict[object, Statement] = {}

    def prepare(self, statement: Executable) -> Statement:
        """Return a statement that is compiled when it first runs."""
        return compiled(statement, self._engine_dialect)

    def prepared(self, key: object, make: Callable[[], Executable]) -> Statement:
        """Return the statement of a key. `make` creates the statement on the first call.

        The key describes the statement's shape and never contains values, so that there are few keys.
        """
        found = self._prepared.get(key)
        if found is None:
            if len(self._prepared) >= 1000:
                self._prepared.clear()
            found = self._prepared[key] = self.prepare(make())
        return found
