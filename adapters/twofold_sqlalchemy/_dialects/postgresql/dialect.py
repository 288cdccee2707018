"""The dialect of PostgreSQL 14 or later, through asyncpg: concurrent writers and readers."""

from __future__ import annotations

from ..dialect import Dialect
from .catalog import PostgreSQLCatalog
from .columns import PostgreSQLColumns
from .connections import PostgreSQLConnections
from .errors import PostgreSQLErrors
from .sql import PostgreSQLSql


def postgresql(*, idle_transaction_timeout: float | None, answer_timeout: float | None) -> Dialect:
    """Return the dialect for one engine.

    Args:
        idle_transaction_timeout: seconds after which the server ends a session that idles in a transaction.
        answer_timeout: seconds that the server may take for an answer.
    """
    return Dialect(
        "postgresql",
        PostgreSQLConnections(idle_transaction_timeout=idle_transaction_timeout),
        PostgreSQLColumns(),
        PostgreSQLSql(),
        PostgreSQLCatalog(),
        PostgreSQLErrors(),
        idle_transaction_timeout,
        answer_timeout,
    )
