"""Statements and expressions of PostgreSQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, ColumnElement, Double, Insert, Table, Text, bindparam, cast, extract, func
from sqlalchemy.dialects.postgresql import JSON, insert

from ..codec import Kind


class PostgreSQLSql:
    """The `Sql` of PostgreSQL."""

    def comparable(self, column: ColumnElement[Any], kind: Kind) -> ColumnElement[Any]:
        """Return the column itself."""
        return column

    def readable(self, column: Column[Any]) -> ColumnElement[Any]:
        """Select JSON as the stored text; otherwise asyncpg parses JSON on connections that SQLAlchemy opened."""
        return cast(column, Text).label(column.name) if isinstance(column.type, JSON) else column

    def now(self) -> ColumnElement[Any]:
        """Use `clock_timestamp`, which advances within a transaction."""
        return cast(extract("epoch", func.clock_timestamp()), Double())

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
