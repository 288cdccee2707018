"""Connections, transactions, and statements on SQLite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from twofold.errors import ConfigurationError

from .driver import SqliteConnection, connect, file_at
from .errors import SqliteErrors
from .write_lock import WriteLocks

_BEGUN: Final = "twofold_begun"
"""The execution option of connections whose transactions `begin` starts, not SQLAlchemy."""

_attached: WeakKeyDictionary[Engine, WriteLocks] = WeakKeyDictionary()
"""The write locks of each attached engine. Several stores may share an engine."""


class SqliteConnections:
    """The `Connections` of SQLite.

    Args:
        errors: receives the name of the database's file.
        busy_timeout: seconds to wait for another process that writes.
        queue_timeout: seconds to wait for the writers of this process.
    """

    survives_fork = False  # the library shares state between the connections of a process

    def __init__(self, errors: SqliteErrors, *, busy_timeout: float, queue_timeout: float) -> None:
        self._errors = errors
        self._busy_timeout = busy_timeout
        self._queue_timeout = queue_timeout
        self._write_locks = WriteLocks()

    def attach(self, engine: AsyncEngine) -> AsyncEngine:
        """Let the engine open connections with Twofold's settings and driver."""
        if engine.dialect.driver != "aiosqlite":
            raise ConfigurationError(
                f"cannot use the driver {engine.dialect.driver!r} for SQLite: use sqlite+aiosqlite://."
            )
        if _in_memory(engine.url):
            raise ConfigurationError(
                "cannot use a SQLite database in memory: all its connections share one database connection and "
                "transaction. Use a file, sqlite+aiosqlite:///orders.db, or twofold_memory.InMemory()."
            )
        locks = _attached.get(engine.sync_engine)
        if locks is None:
            locks = _attached[engine.sync_engine] = WriteLocks()
            event.listen(engine.sync_engine, "do_connect", self._connect)
            event.listen(engine.sync_engine, "begin", _begin)
        self._write_locks, self._errors.file = locks, str(engine.url.database)
        return engine.execution_options(**{_BEGUN: True})

    async def acquire_write_lock(self) -> Callable[[], None]:
        """Wait for the writers of this process in order of arrival, without polling the database."""
        return await self._write_locks.of_running_loop().acquire(self._queue_timeout)

    async def configure(self, connection: AsyncConnection) -> str:
        """Replace a connection that the pool opened before the engine was attached, or to a file that was replaced.

        Return the identity of the open file.
        """
        if not isinstance(_driver_of(connection), SqliteConnection):
            await connection.invalidate()
            if not isinstance((await connection.get_raw_connection()).driver_connection, SqliteConnection):
                raise ConfigurationError(
                    "cannot use an engine that has its own creator of connections: create the engine from a URL."
                )
        while (driver := _driver_of(connection)).is_replaced():
            await connection.invalidate()
            await connection.get_raw_connection()
        return driver.run_of_file

    def file(self) -> str:
        """Return device and inode."""
        return str(file_at(self._errors.file))

    async def prepare(self, connection: AsyncConnection) -> None:
        """Do nothing: the driver's transaction is that of SQLAlchemy."""

    async def begin(self, connection: AsyncConnection, *, read_only: bool) -> None:
        """Write after BEGIN IMMEDIATE, which takes the write lock before the first read. Read with `query_only`."""
        driver = _driver_of(connection)
        await (driver.begin_reading() if read_only else driver.begin_writing())

    async def commit(self, connection: AsyncConnection) -> None:
        """Commit."""
        await connection.commit()

    async def rollback(self, connection: AsyncConnection) -> None:
        """Roll back."""
        await connection.rollback()

    async def discard(self, connection: AsyncConnection) -> None:
        """Return the connection to the pool, which rolls back."""
        await connection.close()

    async def release(self, connection: AsyncConnection) -> None:
        """Return the connection to the pool."""
        await connection.close()

    async def clean_up(self, connection: AsyncConnection) -> None:
        """Do nothing: an interrupted statement leaves nothing behind."""

    async def fetch(self, connection: AsyncConnection, text: str, parameters: tuple[Any, ...]) -> Sequence[Any]:
        """Run a statement and return its rows."""
        return (await connection.exec_driver_sql(text, parameters)).all()

    async def change(self, connection: AsyncConnection, text: str, parameters: tuple[Any, ...]) -> int:
        """Run a statement and return the number of matched rows."""
        return (await connection.exec_driver_sql(text, parameters)).rowcount

    async def change_many(self, connection: AsyncConnection, text: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run a statement once for each tuple of parameters."""
        await connection.exec_driver_sql(text, list(rows))

    def is_lost(self, connection: AsyncConnection) -> bool:
        """Return False: a file has no connection that could be lost."""
        return False

    def _connect(self, dialect: Any, record: object, args: list[Any], kwargs: dict[str, Any]) -> Any:
        own = {"async_creator_fn": connect, "busy_timeout": self._busy_timeout}
        return dialect.loaded_dbapi.connect(*args, **{**kwargs, **own})


def _begin(connection: Connection) -> None:
    """Begin a transaction of the application's own on this engine: Twofold's connections do not begin implicitly.

    With the isolation level AUTOCOMMIT, each statement of the application commits on its own. SQLAlchemy offers no public
    name for the level that an engine was created with.
    """
    options = connection.get_execution_options()
    level = options.get("isolation_level") or connection.dialect._on_connect_isolation_level
    if not options.get(_BEGUN) and level != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN")


def _driver_of(connection: AsyncConnection) -> SqliteConnection:
    sync: Any = connection.sync_connection
    driver: SqliteConnection = sync.connection.driver_connection
    return driver


def _in_memory(url: URL) -> bool:
    database = url.database or ":memory:"
    return ":memory:" in database or "mode=memory" in database or url.query.get("mode") == "memory"
