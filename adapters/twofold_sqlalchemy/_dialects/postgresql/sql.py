"""Statements and expressions of PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Double, Insert, Table, Text, cast, extract, func
from sqlalchemy.dialects.postgresql import JSON, insert

from ..codec import Kind
from ..on_conflict import upsert_newer

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class PostgreSQLSql:
    """The `Sql` of PostgreSQL."""

    def comparable(self, column: ColumnElement[Any], kind: Kind) -> ColumnElement[Any]:
        """Return the column itself."""
        return column

    def readable(self, column: Column[Any]) -> ColumnElement[Any]:
        """Select JSON as the stored text; otherwise asyncpg parses JSON on connections that SQLAlchemy opened."""
        return cast(column, Text).label(column.name) if isinstance(column.type, JSON) else column

    def any_time(self, column: Column[Any]) -> ColumnElement[Any]:
        """Select the seconds since 1970: asyncpg fails at times before the year 1, and after the year 9999."""
        return extract("epoch", column).label(column.name)

    def time_of(self, value: Any) -> datetime:
        """Return the time, to the microsecond. Infinity is out of range."""
        return _EPOCH + timedelta(microseconds=int(Decimal(value) * 1_000_000))

    def now(self) -> ColumnElement[Any]:
        """Use `clock_timestamp`, which advances within a transaction."""
        return cast(extract("epoch", func.clock_timestamp()), Double())

    def insert_new(self, table: Table) -> Insert:
        """Use ON CONFLICT DO NOTHING."""
        return insert(table).on_conflict_do_nothing()

    def upsert(self, table: Table, key: Column[Any], guard: Column[Any]) -> Insert:
        """Use ON CONFLICT DO UPDATE ... WHERE."""
        return upsert_newer(insert(table), table, key, guard)
