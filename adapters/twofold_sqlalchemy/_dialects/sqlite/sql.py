"""Statements and expressions of SQLite."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Insert, Table, func
from sqlalchemy.dialects.sqlite import insert

from ..codec import Kind
from ..on_conflict import upsert_newer
from .decimals import compared


class SqliteSql:
    """The `Sql` of SQLite."""

    def comparable(self, column: ColumnElement[Any], kind: Kind) -> ColumnElement[Any]:
        """Compare decimals by the generated text, which sorts like the numbers."""
        return compared(column) if kind is Kind.DECIMAL else column

    def readable(self, column: Column[Any]) -> ColumnElement[Any]:
        """Return the column itself."""
        return column

    def any_time(self, column: Column[Any]) -> ColumnElement[Any]:
        """Return the column itself."""
        return column

    def time_of(self, value: Any) -> datetime:
        """Decode the value as any other time."""
        return datetime.fromisoformat(value)

    def now(self) -> ColumnElement[Any]:
        """Convert days to seconds: older versions of SQLite return days only."""
        return (func.julianday("now") - 2440587.5) * 86400.0

    def insert_new(self, table: Table) -> Insert:
        """Use ON CONFLICT DO NOTHING."""
        return insert(table).on_conflict_do_nothing()

    def upsert(self, table: Table, key: Column[Any], guard: Column[Any]) -> Insert:
        """Use ON CONFLICT DO UPDATE ... WHERE."""
        return upsert_newer(insert(table), table, key, guard)
