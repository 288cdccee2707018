"""Statements and expressions of MariaDB and MySQL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Double, Insert, Table, bindparam, func, literal_column
from sqlalchemy.dialects.mysql import insert

from ..codec import Kind
from .columns import number_of

_UNCHANGED: Final = "IF(LAST_INSERT_ID(1), {name}, {name})"
"""Assigns a column to itself.

The insert id in the answer distinguishes a skipped row from a new row: both count as one row.
"""


class MySQLSql:
    """The `Sql` of MariaDB and MySQL."""

    def comparable(self, column: ColumnElement[Any], kind: Kind) -> ColumnElement[Any]:
        """Compare decimals by the generated number."""
        return number_of(column) if kind is Kind.DECIMAL else column

    def readable(self, column: Column[Any]) -> ColumnElement[Any]:
        """Return the column itself."""
        return column

    def any_time(self, column: Column[Any]) -> ColumnElement[Any]:
        """Return the column itself."""
        return column

    def time_of(self, value: Any) -> datetime:
        """Decode the value as any other time."""
        if not isinstance(value, datetime):
            raise TypeError(f"{value!r:.100} is not a time")
        return value.replace(tzinfo=UTC)

    def now(self) -> ColumnElement[Any]:
        """Count from 1970 in UTC, independent of the session's time zone and its daylight saving time."""
        return literal_column("(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) / 1e6)", Double())

    def insert_new(self, table: Table) -> Insert:
        """Use ON DUPLICATE KEY UPDATE without a change; INSERT IGNORE would hide other errors too."""
        first = next(iter(table.columns))
        same: ColumnElement[Any] = literal_column(_UNCHANGED.format(name=f"{table.name}.{first.name}"))
        return insert(table).on_duplicate_key_update({first.name: same})

    def upsert(self, table: Table, key: Column[Any], guard: Column[Any]) -> Insert:
        """Use ON DUPLICATE KEY UPDATE with a condition on each column. The server assigns in order, so the guard is last."""
        columns = [column for column in table.columns if column.computed is None]
        statement = insert(table).values({column.name: bindparam(column.name) for column in columns})
        new = statement.inserted
        newer = new[guard.name] >= guard
        changes: list[tuple[str, ColumnElement[Any]]] = [
            (column.name, func.IF(newer, new[column.name], column))
            for column in columns
            if column is not key and column is not guard
        ]
        changes.append((guard.name, func.GREATEST(guard, new[guard.name])))
        return statement.on_duplicate_key_update(changes)
