"""A connection to SQLite that crosses to its thread once a statement.

aiosqlite runs each connection on a thread, and crossing to it and back costs about 0.1 ms. SQLAlchemy's asyncio bridge
crosses four times a statement: make a cursor, execute, fetch, close. Here all four are one function on the thread.
Nothing else differs; SQLAlchemy drives this connection as it drives the one it replaces.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Self, TypeVar

import aiosqlite
from aiosqlite.core import _STOP_RUNNING_SENTINEL

from .uninterrupted import completed, uninterrupted

T = TypeVar("T")

_LONGEST_BLOCK = 0.05
"""Seconds for which SQLite itself may wait for another process's lock; in between, a cancellation is heard."""


async def connect(*args: Any, busy_timeout: float, **kwargs: Any) -> OneHopConnection:
    """Open a connection with Twofold's settings; a cancellation while it opens closes it again.

    Args:
        args: those of `sqlite3.connect`.
        busy_timeout: seconds to wait for locks of other processes.
        kwargs: those of `sqlite3.connect`.
    """
    connection = OneHopConnection(partial(_open, args, {**kwargs, "isolation_level": None}, busy_timeout), busy_timeout)
    _, cancelled = await uninterrupted(_start(connection))
    if cancelled is not None:
        await uninterrupted(connection.close())
        raise cancelled
    return connection


def _open(args: Sequence[Any], kwargs: dict[str, Any], busy_timeout: float) -> sqlite3.Connection:
    connection: sqlite3.Connection = sqlite3.connect(*args, **kwargs)
    try:
        # The time-out comes first: switching to WAL needs a lock. `synchronous` stays FULL: a commit is durable.
        for pragma in (f"busy_timeout = {_milliseconds(busy_timeout)}", "journal_mode = WAL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


async def _start(connection: OneHopConnection) -> None:
    await connection


class OneHopConnection(aiosqlite.Connection):
    """An aiosqlite connection whose statements, begins and ends are one crossing each.

    Args:
        connector: opens the connection, on the connection's thread.
        busy_timeout: seconds to wait for locks of other processes.
    """

    def __init__(self, connector: Callable[[], sqlite3.Connection], busy_timeout: float) -> None:
        super().__init__(connector, iter_chunk_size=64)
        self._thread.daemon = True
        self._busy_timeout = busy_timeout
        self._query_only = False
        self._stopped = False

    def stop(self) -> None:
        """Stop the thread, once, and let nobody wait for it.

        Of two requests, as SQLAlchemy makes them when it is cancelled, the second would hang; and a loop that has ended
        meanwhile cannot be told.
        """
        if not self._stopped:
            self._stopped, self._running = True, False
            self._tx.put_nowait((None, self._close_and_end))

    def _close_and_end(self) -> object:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        return _STOP_RUNNING_SENTINEL

    def cursor(self) -> Any:  # aiosqlite's own is a class of its own too, given by a decorator
        """Return a cursor that fetches all rows when it executes."""
        return OneHopCursor(self)

    async def begin_reading(self) -> None:
        """Begin a transaction in which the database refuses to write."""
        self._query_only = True
        await self._execute(_script, self._conn, ("PRAGMA query_only = ON", "BEGIN"))

    async def begin_writing(self) -> None:
        """Begin a transaction that holds the lock for writing, waiting for other processes that hold it."""
        deadline = time.monotonic() + self._busy_timeout
        while True:
            try:
                return await self._execute(_begin_immediate, self._conn, self._busy_timeout)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                    raise

    async def commit(self) -> None:
        """Commit, if there is something to commit."""
        await self._end("COMMIT")

    async def rollback(self) -> None:
        """Roll back, if there is something to roll back."""
        await self._end("ROLLBACK")

    async def _end(self, statement: str) -> None:
        in_transaction = self._conn.in_transaction
        if in_transaction or self._query_only:
            statements = [statement] if in_transaction else []
            if self._query_only:
                statements.append("PRAGMA query_only = OFF")
            await self._execute(_script, self._conn, statements)
            self._query_only = False

    async def _execute(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run a function on the thread. A cancellation interrupts the statement and waits until the thread has stopped."""
        connection = self._connection
        if not self._running or not connection:
            raise ValueError("Connection closed")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._tx.put_nowait((future, partial(fn, *args, **kwargs)))
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            with suppress(sqlite3.ProgrammingError):  # it has just been closed
                connection.interrupt()
            await completed(future)
            raise


class OneHopCursor:
    """The part of a cursor that SQLAlchemy uses. All rows are here once it has executed."""

    arraysize = 1

    def __init__(self, connection: OneHopConnection) -> None:
        self._connection = connection
        self._rows: Sequence[Any] = ()
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, operation: str, parameters: Any = ()) -> OneHopCursor:
        """Execute a statement and fetch its rows."""
        connection = self._connection
        self._rows, self.description, self.rowcount, self.lastrowid = await connection._execute(
            _run, connection._conn, operation, parameters
        )
        return self

    async def executemany(self, operation: str, parameters: Iterable[Any]) -> OneHopCursor:
        """Execute a statement once for each set of parameters."""
        connection = self._connection
        self.rowcount = await connection._execute(_run_many, connection._conn, operation, parameters)
        return self

    async def fetchone(self) -> Any:
        """Return the next row, or None."""
        rows = await self.fetchmany(1)
        return rows[0] if rows else None

    async def fetchmany(self, size: int | None = None) -> Sequence[Any]:
        """Return the next rows."""
        size = self.arraysize if size is None else size
        rows, self._rows = self._rows[:size], self._rows[size:]
        return rows

    async def fetchall(self) -> Sequence[Any]:
        """Return the rows that are left."""
        rows, self._rows = self._rows, ()
        return rows

    async def close(self) -> None:
        """Forget the rows."""
        self._rows = ()


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


def _run(connection: sqlite3.Connection, operation: str, parameters: Any) -> tuple[Any, Any, int, int | None]:
    cursor = connection.execute(operation, parameters)
    rows = cursor.fetchall() if cursor.description else ()
    found = rows, cursor.description, cursor.rowcount, cursor.lastrowid
    cursor.close()
    return found


def _run_many(connection: sqlite3.Connection, operation: str, parameters: Any) -> int:
    cursor = connection.executemany(operation, parameters)
    count = cursor.rowcount
    cursor.close()
    return count
