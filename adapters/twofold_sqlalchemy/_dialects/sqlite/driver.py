"""A connection to SQLite whose statements cross once to the connection's thread and back.

SQLAlchemy's dialect for aiosqlite opens the connection by its option `async_creator_fn`. With aiosqlite's own connection,
SQLAlchemy crosses to the thread four times for each statement: to create a cursor, execute, fetch and close. A crossing
takes about 0.1 ms. Here all four are one function on the thread.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeVar

from ..uninterrupted import completed, uninterrupted
from .cursor import Outcome, SqliteCursor
from .thread import TaskThread

T = TypeVar("T")

_LONGEST_BLOCK: Final = 0.05
"""Seconds for which SQLite itself waits for another process's lock. Between two waits, a cancellation is noticed."""


async def connect(*args: Any, busy_timeout: float, **kwargs: Any) -> SqliteConnection:
    """Open a connection with Twofold's settings. A cancellation closes the connection.

    Args:
        args: the arguments of `sqlite3.connect`.
        busy_timeout: seconds to wait for locks of other processes.
        kwargs: the keyword arguments of `sqlite3.connect`.
    """
    connection = SqliteConnection(busy_timeout)
    opened = connection.open(partial(_open, args, {**kwargs, "isolation_level": None}, busy_timeout))
    _, cancelled = await uninterrupted(opened)
    if cancelled is not None:
        await uninterrupted(connection.close())
        raise cancelled
    return connection


class SqliteConnection:
    """A connection with the interface that SQLAlchemy's dialect for aiosqlite uses.

    That dialect also reads the private attributes `_connection`, `_conn` and `_tx` of the connection, so these names are
    part of the interface: `commit` and `rollback` test `_connection`, and a change of the isolation level is sent through
    `_tx`. SQLAlchemy offers no public names for them.

    Args:
        busy_timeout: seconds to wait for locks of other processes.
    """

    def __init__(self, busy_timeout: float) -> None:
        self._connection: sqlite3.Connection | None = None
        self._worker = TaskThread()
        self._tx = self._worker.tasks
        self._busy_timeout = busy_timeout
        self._query_only = False
        self._closed = False
        self._stopped = False
        self._path: str = ""
        self._file: tuple[int, int] | None = None
        self.run_of_file: str = ""
        """Identifies the open file: its device and its inode, or "None" if the path is not known."""

    def __del__(self) -> None:
        if self._connection is not None and not self._stopped:
            warnings.warn(f"{self!r} was deleted before it was closed.", ResourceWarning, stacklevel=1)
        self.stop()

    def __getattr__(self, name: str) -> Any:
        """Return another attribute of `sqlite3.Connection`. A method is returned as an async function."""
        if name.startswith("_"):
            raise AttributeError(name)
        is_method = callable(getattr(sqlite3.Connection, name))
        found = getattr(self._conn, name)
        return partial(self.run, found) if is_method else found

    @property
    def _conn(self) -> sqlite3.Connection:
        if self._connection is None or self._stopped:
            raise ValueError("Connection closed")  # SQLAlchemy compares the text
        return self._connection

    async def open(self, connector: Callable[[], sqlite3.Connection]) -> None:
        """Open the connection on its thread."""
        try:
            self._connection, self._path = await self._worker.submit(partial(_opened, connector))
            self._file = file_at(self._path)
            self.run_of_file = str(self._file)
        except BaseException:
            self.stop()
            raise

    def is_replaced(self) -> bool:
        """Return whether another file is at the path now, as after the restore of a backup."""
        return bool(self._path) and file_at(self._path) != self._file

    async def close(self) -> None:
        """Close the connection and end its thread. Further calls do nothing.

        Raises:
            ValueError: `stop` was called before.
        """
        if self._closed:
            return
        connection, self._closed = self._conn, True
        try:
            await self.run(connection.close)
        finally:
            self.stop()

    def stop(self) -> None:
        """Close the connection and end its thread, without waiting for the thread. Further calls do nothing."""
        if self._stopped:
            return
        self._stopped = True
        if self._connection is not None:
            self._tx.put((None, self._connection.close))
            self._connection = None
        self._tx.put(None)

    def cursor(self) -> SqliteCursor:
        """Return a cursor that fetches all rows when it executes a statement."""
        return SqliteCursor(self.run_statement, self.run_many)

    async def begin_reading(self) -> None:
        """Begin a transaction in which SQLite refuses writes."""
        self._query_only = True
        await self.run(_script, self._conn, ("PRAGMA query_only = ON", "BEGIN"))

    async def begin_writing(self) -> None:
        """Begin a transaction that holds the write lock. Wait for other processes that hold it."""
        deadline = time.monotonic() + self._busy_timeout
        while True:
            try:
                return await self.run(_begin_immediate, self._conn, self._busy_timeout)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                    raise

    async def commit(self) -> None:
        """Commit the transaction, if one is open."""
        await self._end("COMMIT")

    async def rollback(self) -> None:
        """Roll back the transaction, if one is open."""
        await self._end("ROLLBACK")

    async def interrupt(self) -> None:
        """Interrupt the running statement."""
        self._conn.interrupt()

    async def run(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call a function on the thread. A cancellation interrupts the statement and waits for the thread."""
        connection = self._conn
        future: asyncio.Future[T] = self._worker.submit(partial(function, *args, **kwargs))
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            with suppress(sqlite3.ProgrammingError):  # the function has just closed the connection
                connection.interrupt()
            await completed(future)
            raise

    async def run_statement(self, operation: str, parameters: Any) -> Outcome:
        """Run a statement and fetch its rows, by one crossing."""
        return await self.run(_run, self._conn, operation, parameters)

    async def run_many(self, operation: str, parameters: Iterable[Any]) -> int:
        """Run a statement once for each set of parameters, by one crossing. Return the number of matched rows."""
        return await self.run(_run_many, self._conn, operation, parameters)

    async def _end(self, statement: str) -> None:
        in_transaction = self._conn.in_transaction
        if in_transaction or self._query_only:
            statements = [statement] if in_transaction else []
            if self._query_only:
                statements.append("PRAGMA query_only = OFF")
            await self.run(_script, self._conn, statements)
            self._query_only = False


def _open(args: Sequence[Any], kwargs: dict[str, Any], busy_timeout: float) -> sqlite3.Connection:
    connection: sqlite3.Connection = sqlite3.connect(*args, **kwargs)
    try:
        # The timeout is first, because the switch to WAL needs a lock. `synchronous` stays FULL: a commit is durable.
        for pragma in (f"busy_timeout = {_milliseconds(busy_timeout)}", "journal_mode = WAL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


def _opened(connector: Callable[[], sqlite3.Connection]) -> tuple[sqlite3.Connection, str]:
    """Return a new connection, and the absolute path of its file."""
    connection = connector()
    path: str = connection.execute("PRAGMA database_list").fetchone()[2]
    return connection, path


def file_at(path: str) -> tuple[int, int] | None:
    """Return the device and the inode of a file, or None if there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 -- a Path takes three times as long, at each use of a connection
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _milliseconds(seconds: float) -> int:
    return max(0, round(seconds * 1000))


def _script(connection: sqlite3.Connection, statements: Iterable[str]) -> None:
    for statement in statements:
        connection.execute(statement)


def _begin_immediate(connection: sqlite3.Connection, busy_timeout: float) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")
    connection.execute(f"PRAGMA busy_timeout = {_milliseconds(min(busy_timeout, _LONGEST_BLOCK))}")
    try:
        connection.execute("BEGIN IMMEDIATE")
    finally:
        connection.execute(f"PRAGMA busy_timeout = {_milliseconds(busy_timeout)}")


def _run(connection: sqlite3.Connection, operation: str, parameters: Any) -> Outcome:
    cursor = connection.execute(operation, parameters)
    rows = cursor.fetchall() if cursor.description else ()
    outcome = Outcome(rows, cursor.description, cursor.rowcount, cursor.lastrowid)
    cursor.close()
    return outcome


def _run_many(connection: sqlite3.Connection, operation: str, parameters: Iterable[Any]) -> int:
    cursor = connection.executemany(operation, parameters)
    count = cursor.rowcount
    cursor.close()
    return count
