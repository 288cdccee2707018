"""The meaning of asyncpg's errors and of PostgreSQL's SQLSTATE codes."""

from __future__ import annotations

import re
from typing import Any, Final

import asyncpg

_UNIQUE_VIOLATION: Final = "23505"

_TRANSIENT: Final = re.compile(
    r"40001|40P01"  # serialization failure, deadlock
    r"|55P03|57014"  # lock not available, statement cancelled
    r"|25P03|25P04"  # the server ended a transaction that idled, or that lasted too long
    r"|08...|57P..|53..."  # connection lost, server shutting down, too many connections or insufficient resources
)

_UNSURE: Final = re.compile("$|08|57P")  # no code, connection lost, server shutting down

_ENDED_BEFORE: Final = {"25P03", "25P04"}
"""The server ended the session while the transaction idled, or lasted too long. It did not run a later statement."""

_READ_ONLY: Final = "25006"

_MISSING: Final = {"42P01", "42703"}  # undefined table, undefined column

_UNFIT: Final = ("22", "23")  # classes: data exception, integrity constraint violation

_TOO_LARGE: Final = "54000"
"""A row is too large for an index."""


class PostgreSQLErrors:
    """The `Errors` of asyncpg."""

    def is_driver_error(self, error: BaseException) -> bool:
        """Recognise asyncpg's errors and network errors, which SQLAlchemy does not wrap here."""
        kinds = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
        return isinstance(error, kinds)

    def violated_constraint(self, error: BaseException) -> str | None:
        """Read the detail `Key (column, ...)=(...) already exists.` and the table's name."""
        original = getattr(error, "orig", error)
        if _code(original) != _UNIQUE_VIOLATION:
            return None
        driver: Any = getattr(original, "driver_exception", original)
        key = re.match(r"Key \((.*?)\)=", getattr(driver, "detail", None) or "")
        table = getattr(driver, "table_name", "")
        return ", ".join(f"{table}.{column}" for column in key[1].split(", ")) if key else str(table)

    def is_transient(self, error: BaseException | None) -> bool:
        """Recognise deadlocks, serialization failures, lock timeouts, and connection or resource errors."""
        lost = isinstance(error, (OSError, asyncpg.PostgresConnectionError)) or _was_lost(error)
        return lost or _TRANSIENT.fullmatch(_code(error)) is not None

    def is_refused_commit(self, error: BaseException) -> bool:
        """Recognise an error message of the server, and a connection that was lost before asyncpg sent COMMIT.

        A message that ends the session may follow the commit, unless its reason is that the transaction idled.
        """
        if self.is_unsent(error):
            return True
        return isinstance(error, asyncpg.PostgresError) and _UNSURE.match(_code(error)) is None

    def is_unsent(self, error: BaseException | None) -> bool:
        """Recognise a closed connection, and the message with which the server ended the session."""
        while error is not None:
            if _was_lost(error) or _code(error) in _ENDED_BEFORE:
                return True
            error = error.__cause__
        return False

    def is_read_only_error(self, error: BaseException | None) -> bool:
        """Recognise `read_only_sql_transaction`."""
        return _code(error) == _READ_ONLY

    def is_missing_table(self, error: BaseException | None) -> bool:
        """Recognise an undefined table or column."""
        return _code(error) in _MISSING

    def is_invalid_value(self, error: BaseException | None) -> bool:
        """Recognise data and integrity exceptions, rows too large for an index, and values that asyncpg cannot encode."""
        client = isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError)
        return client or _code(error).startswith(_UNFIT) or _code(error) == _TOO_LARGE

    def advice(self, error: BaseException | None) -> str:
        """Return an empty text: PostgreSQL's messages suffice."""
        return ""


def _was_lost(error: BaseException | None) -> bool:
    """Return whether the connection was lost before this statement, which was never sent."""
    if isinstance(error, asyncpg.InterfaceError):
        return "connection is closed" in str(error)
    # The server has announced that it ends the session, and asyncpg has not yet seen the connection close.
    return isinstance(error, asyncpg.InternalClientError) and "cannot switch to state" in str(error)


def _code(error: BaseException | None) -> str:
    return getattr(error, "sqlstate", None) or ""
