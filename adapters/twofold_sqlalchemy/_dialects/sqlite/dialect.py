"""The dialect of SQLite 3.35 or later, in WAL mode: one writer at a time, any number of readers."""

from __future__ import annotations

from ..dialect import Dialect
from .catalog import SqliteCatalog
from .columns import SqliteColumns
from .connections import SqliteConnections
from .errors import SqliteErrors
from .sql import SqliteSql


def sqlite(*, busy_timeout: float, queue_timeout: float) -> Dialect:
    """Return the dialect for one engine.

    Args:
        busy_timeout: seconds to wait for another process that writes.
        queue_timeout: seconds to wait for the writers of this process.
    """
    errors = SqliteErrors()
    return Dialect(
        "sqlite",
        SqliteConnections(errors, busy_timeout=busy_timeout, queue_timeout=queue_timeout),
        SqliteColumns(),
        SqliteSql(),
        SqliteCatalog(),
        errors,
    )
