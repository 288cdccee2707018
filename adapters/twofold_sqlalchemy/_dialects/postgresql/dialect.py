"""The dialect of PostgreSQL 14 or later, through asyncpg: concurrent writers and readers."""

from __future__ import annotations

from ..dialect import Dialect
from .catalog import PostgreSQLCatalog
from .columns import PostgreSQLColumns
from .connections import PostgreSQLConnections
from .errors import PostgreSQLErrors
from .sql import PostgreSQLSql


def postgresql() -> Dialect:
    """Return the dialect for one engine."""
    return Dialect(
        "postgresql",
        PostgreSQLConnections(),
        PostgreSQLColumns(),
        PostgreSQLSql(),
        PostgreSQLCatalog(),
        PostgreSQLErrors(),
    )
