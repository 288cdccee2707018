"""The meaning of SQLite's errors."""

from __future__ import annotations

import sqlite3
from typing import Final

_TRANSIENT: Final = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_INTERRUPT}

_REFUSED: Final = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY,
}

_MISSING: Final = ("no such table", "no such column", "has no column")

_UNFIT: Final = {sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_CONSTRAINT}


class SqliteErrors:
    """The `Errors` of `sqlite3`.

    Attributes:
        file: the database's file, for `advice`. Set when an engine is attached.
    """

    def __init__(self) -> None:
        self.file = ""

    def is_driver_error(self, error: BaseException) -> bool:
        """Recognise errors of `sqlite3`."""
        return isinstance(error, sqlite3.Error)

    def violated_constraint(self, error: BaseException) -> str | None:
        """Read the columns in `UNIQUE constraint failed: table.column, ...`."""
        _, found, columns = str(getattr(error, "orig", error)).partition("UNIQUE constraint failed: ")
        return columns if found else None

    def is_transient(self, error: BaseException | None) -> bool:
        """Recognise a lock that another connection holds, and an interrupted statement."""
        return _code(error) in _TRANSIENT

    def is_refused_commit(self, error: BaseException) -> bool:
        """Return whether SQLite has kept the transaction open, or rolled it back, after an error.

        An I/O error is not such an error.
        """
        return _code(error) in _REFUSED

    def is_unsent(self, error: BaseException | None) -> bool:
        """Return False: SQLite has no sessions."""
        return False

    def is_read_only_error(self, error: BaseException | None) -> bool:
        """Recognise `attempt to write a readonly database`."""
        return _code(error) == sqlite3.SQLITE_READONLY

    def is_missing_table(self, error: BaseException | None) -> bool:
        """Recognise the message, since SQLite has no code for a missing table."""
        return isinstance(error, sqlite3.OperationalError) and any(text in str(error) for text in _MISSING)

    def is_invalid_value(self, error: BaseException | None) -> bool:
        """Recognise a value that is too large, and a violated constraint."""
        return isinstance(error, sqlite3.DataError) or _code(error) in _UNFIT

    def advice(self, error: BaseException | None) -> str:
        """Return how to fix a file that cannot be opened; SQLite's message does not name the file."""
        if "unable to open database file" not in str(error):
            return ""
        return f"The file is {self.file!r}: create its folder, make it writable, or correct the engine's URL."


def _code(error: BaseException | None) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
