"""Statements that are compiled once and run many times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import ClauseElement, Executable
from sqlalchemy.ext.asyncio import AsyncEngine


class Statement:
    """SQL of one database, and the order of its parameters.

    Args:
        text: the SQL.
        names: the parameters in order.
        fixed: values that are the same in every call, by name.
    """

    __slots__ = ("_fixed", "names", "text")

    def __init__(self, text: str, names: Sequence[str], fixed: Mapping[str, Any] | None = None) -> None:
        self.text = text
        self.names = names
        self._fixed = dict(fixed or {})

    def bind(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the parameters in the statement's order."""
        merged = {**self._fixed, **values}
        return tuple([merged[name] for name in self.names])


def compiled(statement: Executable, engine: AsyncEngine) -> Statement:
    """Compile a statement of SQLAlchemy Core, whose types convert nothing.

    Args:
        statement: the statement, with a `bindparam` for each value that changes.
        engine: determines the SQL to write.
    """
    found: Any = cast(ClauseElement, statement).compile(dialect=engine.dialect)
    return Statement(str(found), found.positiontup or (), found.params)
