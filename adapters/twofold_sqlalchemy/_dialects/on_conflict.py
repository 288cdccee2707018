"""The upsert of databases with ON CONFLICT: PostgreSQL and SQLite."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Insert, Table, bindparam
from sqlalchemy.dialects.postgresql import Insert as PostgreSQLInsert
from sqlalchemy.dialects.sqlite import Insert as SqliteInsert


def upsert_newer(insert: PostgreSQLInsert | SqliteInsert, table: Table, key: Column[Any], guard: Column[Any]) -> Insert:
    """Return ON CONFLICT DO UPDATE ... WHERE: a row is replaced, unless the guard of the stored row is higher."""
    columns = [column for column in table.columns if column.computed is None]
    statement = insert.values({column.name: bindparam(column.name) for column in columns})
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=[key],
        set_={column.name: new[column.name] for column in columns if column is not key},
        where=new[guard.name] >= guard,
    )
