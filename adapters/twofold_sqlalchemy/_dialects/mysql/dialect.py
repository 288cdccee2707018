"""The dialect of MariaDB 10.6 or MySQL 8.0.19 and later, through asyncmy: concurrent readers and writers, serial appends."""

from __future__ import annotations

from ..dialect import Dialect
from .catalog import MySQLCatalog
from .columns import MySQLColumns
from .connections import MySQLConnections
from .errors import MySQLErrors
from .sql import MySQLSql


def mysql(*, busy_timeout: float, idle_transaction_timeout: float | None, answer_timeout: float | None) -> Dialect:
    """Return the dialect for one engine.

    Args:
        busy_timeout: seconds to wait for a lock that another transaction holds.
        idle_transaction_timeout: seconds after which MariaDB ends a session that idles in a transaction.
        answer_timeout: seconds that the server may take for an answer.
    """
    return Dialect(
        "mysql",
        MySQLConnections(busy_timeout=busy_timeout, idle_transaction_timeout=idle_transaction_timeout),
        MySQLColumns(),
        MySQLSql(),
        MySQLCatalog(),
        MySQLErrors(),
        idle_transaction_timeout,
        answer_timeout,
    )
