"""Statements that are compiled once and run many times."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple, cast

from sqlalchemy import ClauseElement, Dialect, Executable


class Sql(NamedTuple):
    """SQL of one database.

    Attributes:
        text: the SQL.
        names: the parameters in order.
        fixed: values that are the same in every call, by name.
    """

    text: str
    names: Sequence[str]
    fixed: Mapping[str, Any]


class Statement:
    """SQL of one database, which is compiled when it first runs: a process runs few of a store's statements.

    Args:
        write: returns the SQL.
    """

    def __init__(self, write: Callable[[], Sql]) -> None:
        self._write = write

    @cached_property
    def text(self) -> str:
        """The SQL."""
        return self._sql.text

    def bind(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the parameters in the statement's order."""
        _, names, fixed = self._sql
        merged = {**fixed, **values}
        return tuple([merged[name] for name in names])

    @cached_property
    def _sql(self) -> Sql:
        return self._write()


def written(text: str, names: Sequence[str] = ()) -> Statement:
    """Return a statement that is written by hand."""
    sql = Sql(text, names, {})
    return Statement(lambda: sql)


def compiled(statement: Executable, dialect: Dialect) -> Statement:
    """Return a statement of SQLAlchemy Core, whose types convert nothing.

    Args:
        statement: the statement, with a `bindparam` for each value that changes.
        dialect: SQLAlchemy's dialect of an engine. It determines the SQL after the first connection.
    """

    def sql() -> Sql:
        found: Any = cast(ClauseElement, statement).compile(dialect=dialect)
        return Sql(str(found), found.positiontup or (), found.params)

    return Statement(sql)
