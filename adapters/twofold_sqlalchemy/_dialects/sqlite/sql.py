"""Statements and expressions of SQLite."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, ColumnElement, Float, Insert, Table, bindparam, cast, func
from sqlalchemy.dialects.sqlite import insert

from ..codec import Kind


class SqliteSql:
    """The `Sql` of SQLite."""

    def comparable(self, column: ColumnElement[Any], kind: Kind) -> ColumnElement[Any]:
        """Compare decimals as floating-point numbers, exact to 15 significant digits: SQLite has no decimals."""
        return cast(column, Float()) if kind is Kind.DECIMAL else column

    def readable(self, column: Column[Any]) -> ColumnElement[Any]:
        """Return the column itself."""
        return column

    def now(self) -> ColumnElement[Any]:
        """Convert days to seconds: older versions of SQLite return days only."""
        return (func.julianday("now") - 2440587.5) * 86400.0

    def insert_new(self, table: Table) -> Insert:
        """Use ON CONFLICT DO NOTHING."""
        return insert(table).on_conflict_do_nothing()

    def upsert(self, table: Table, key: Column[Any], guard: Column[Any]) -> Insert:
        """Use ON CONFLICT DO UPDATE ... WHERE."""
        statement = insert(table).values({column.name: bindparam(column.name) for column in table.columns})
        new = statement.excluded
        return statement.on_conflict_do_update(
            index_elements=[key],
            set_={column.name: new[column.name] for column in table.columns if column is not key},
            where=new[guard.name] >= guard,
        )
