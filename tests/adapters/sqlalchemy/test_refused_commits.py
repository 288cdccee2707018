"""Which errors of a COMMIT mean that nothing was written; after any other one, the outcome is unknown."""

from __future__ import annotations

import sqlite3

import asyncpg
import pytest
from asyncmy.errors import IntegrityError, OperationalError

from twofold_sqlalchemy._dialects.mysql.errors import MySQLErrors
from twofold_sqlalchemy._dialects.postgresql.errors import PostgreSQLErrors
from twofold_sqlalchemy._dialects.sqlite.errors import SqliteErrors


def sqlite_error(code: int) -> sqlite3.OperationalError:
    """Return an error of SQLite."""
    error = sqlite3.OperationalError("failed")
    error.sqlite_errorcode = code
    return error


def lost_after(message: Exception) -> asyncpg.ConnectionDoesNotExistError:
    """Return asyncpg's error when the server ended the session with a message."""
    error = asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
    error.__cause__ = message
    return error


POSTGRESQL = PostgreSQLErrors()
MYSQL = MySQLErrors()
SQLITE = SqliteErrors()


@pytest.mark.parametrize(
    ("errors", "error", "refused"),
    [
        (POSTGRESQL, asyncpg.DeadlockDetectedError("deadlock"), True),
        (POSTGRESQL, asyncpg.UniqueViolationError("deferred"), True),
        (POSTGRESQL, asyncpg.QueryCanceledError("cancelled"), True),
        (POSTGRESQL, TimeoutError(), False),
        (POSTGRESQL, ConnectionResetError(), False),
        (POSTGRESQL, asyncpg.ConnectionDoesNotExistError("closed"), False),
        (POSTGRESQL, asyncpg.AdminShutdownError("shutting down"), False),
        (POSTGRESQL, asyncpg.InterfaceError("connection is closed"), True),
        (POSTGRESQL, asyncpg.InternalClientError("cannot switch to state"), True),
        (POSTGRESQL, asyncpg.IdleInTransactionSessionTimeoutError("idle"), True),
        (POSTGRESQL, lost_after(asyncpg.IdleInTransactionSessionTimeoutError("idle")), True),
        (POSTGRESQL, lost_after(asyncpg.AdminShutdownError("shutting down")), False),
        (MYSQL, OperationalError(1213, "deadlock"), True),
        (MYSQL, OperationalError(1290, "read only"), True),
        (MYSQL, IntegrityError(1062, "duplicate"), True),
        (MYSQL, TimeoutError(), False),
        (MYSQL, OperationalError(2006, "gone away before it was sent"), True),
        (MYSQL, OperationalError(2013, "lost"), False),
        (MYSQL, OperationalError(1180, "error during COMMIT"), False),
        (MYSQL, OperationalError(1317, "interrupted"), False),
        (MYSQL, OperationalError(1053, "shutting down"), False),
        (MYSQL, OperationalError("no code"), False),
        (SQLITE, sqlite_error(sqlite3.SQLITE_BUSY), True),
        (SQLITE, sqlite_error(sqlite3.SQLITE_FULL), True),
        (SQLITE, sqlite_error(sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY), True),
        (SQLITE, sqlite_error(sqlite3.SQLITE_IOERR_WRITE), False),
        (SQLITE, sqlite_error(sqlite3.SQLITE_INTERRUPT), False),
        (SQLITE, ValueError("Connection closed"), False),
    ],
)
def test_a_refused_commit(
    errors: PostgreSQLErrors | MySQLErrors | SqliteErrors, error: Exception, refused: bool
) -> None:
    """The database answered that it wrote nothing, or the driver did not send the COMMIT."""
    assert errors.is_refused_commit(error) is refused
