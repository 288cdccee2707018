"""The databases that the adapter supports, by SQLAlchemy's names."""

from __future__ import annotations

from importlib.util import find_spec

from twofold.errors import ConfigurationError, MissingDependency

from .dialect import Dialect

_DRIVERS = {
    "sqlite": ("aiosqlite", "sqlite"),
    "postgresql": ("asyncpg", "postgresql"),
    "mariadb": ("asyncmy", "mysql"),
    "mysql": ("asyncmy", "mysql"),
}
"""The driver of each database, and the extra that installs the driver."""


def dialect_of(
    name: str,
    *,
    busy_timeout: float = 5.0,
    queue_timeout: float = 30.0,
    idle_transaction_timeout: float | None = None,
    answer_timeout: float | None = None,
) -> Dialect:
    """Return the dialect with a name of SQLAlchemy's, configured by the arguments of `SqlAlchemy`.

    Raises:
        ConfigurationError: the adapter does not support the database.
        MissingDependency: the driver is not installed.
    """
    if name not in _DRIVERS:
        raise ConfigurationError(
            f"cannot use the database {name!r}: twofold_sqlalchemy supports {', '.join(_DRIVERS)}. "
            "Create the engine with create_async_engine('sqlite+aiosqlite:///orders.db')."
        )
    driver, extra = _DRIVERS[name]
    if find_spec(driver) is None:
        raise MissingDependency(f"pip install 'twofold[{extra}]'")
    # Each database's module imports its driver, which may be missing.
    if name == "sqlite":
        from .sqlite.dialect import sqlite

        return sqlite(busy_timeout=busy_timeout, queue_timeout=queue_timeout)
    if name == "postgresql":
        from .postgresql.dialect import postgresql

        return postgresql(idle_transaction_timeout=idle_transaction_timeout, answer_timeout=answer_timeout)
    from .mysql.dialect import mysql

    return mysql(
        busy_timeout=busy_timeout, idle_transaction_timeout=idle_transaction_timeout, answer_timeout=answer_timeout
    )
