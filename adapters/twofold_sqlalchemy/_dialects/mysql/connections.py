"""Connections, transactions, and statements on MariaDB and MySQL."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final, cast
from weakref import WeakKeyDictionary

from sqlalchemy.dialects.mysql.base import MySQLDialect
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from twofold.errors import ConfigurationError

from ..uninterrupted import cancel_later, uninterrupted
from . import driver
from .catalog import release_schema_lock
from .driver import Session, driver_of, end_session, run, run_many, session_of

_BEGIN: Final = {
    False: "SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE",
    True: "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
}
"""Configures the next transaction, which the next statement begins. The first read of a read-only one is its snapshot."""

_SETTINGS: Final = (
    "SET SESSION innodb_lock_wait_timeout = {seconds}, "
    "sql_mode = CONCAT_WS(',', NULLIF(@@sql_mode, ''), 'STRICT_TRANS_TABLES')"
)

_IDLE: Final = (
    " /*M! , idle_transaction_timeout = "
    "IF(@@idle_transaction_timeout BETWEEN 1 AND {seconds}, @@idle_transaction_timeout, {seconds}) */"
)
"""MariaDB runs this comment. Lowers the timeout unless it is already lower; 0 is none. MySQL has no such timeout."""

_STARTED: Final = """
SELECT UNIX_TIMESTAMP() - CAST(variable_value AS SIGNED) FROM {schema}.global_status WHERE variable_name = 'UPTIME'
"""

_CONFIGURED: Final = "twofold_session"
"""The key in `connection.info`, which the pool keeps, under which a configured connection has its session."""

_RUN: Final = "twofold_run"
"""The key under which a connection has the run of its server."""


class MySQLConnections:
    """The `Connections` of asyncmy.

    Args:
        busy_timeout: seconds to wait for a lock that another transaction holds.
        idle_transaction_timeout: seconds after which MariaDB ends a session that idles in a transaction. None: the server's
            own setting.
    """

    survives_fork = True

    def __init__(self, *, busy_timeout: float, idle_transaction_timeout: float | None) -> None:
        self._settings = _SETTINGS.format(seconds=max(1, math.ceil(busy_timeout)))
        if idle_transaction_timeout is not None:
            self._settings += _IDLE.format(seconds=max(1, math.ceil(idle_transaction_timeout)))
        self._sessions: WeakKeyDictionary[AsyncConnection, Session] = WeakKeyDictionary()

    def attach(self, engine: AsyncEngine) -> AsyncEngine:
        """Check the driver, and return the engine itself."""
        if engine.dialect.driver != "asyncmy":
            raise ConfigurationError(
                f"cannot use the driver {engine.dialect.driver!r} for {engine.dialect.name}: use "
                f"{engine.dialect.name}+asyncmy://."
            )
        return engine

    async def acquire_write_lock(self) -> Callable[[], None]:
        """Return immediately: the server blocks concurrent appends."""
        return _nothing

    async def configure(self, connection: AsyncConnection) -> str:
        """Apply Twofold's settings to a connection, once. Return the server and its start time."""
        found: str | None = connection.info.get(_RUN)
        if found is None:
            await run(connection, self._settings)
            session = connection.info[_CONFIGURED] = await session_of(connection)
            found = connection.info[_RUN] = f"{session.server}/{await self._started(connection)}"
        return found

    def file(self) -> str:
        """Return an empty text."""
        return ""

    async def prepare(self, connection: AsyncConnection) -> None:
        """Do nothing: the driver's transaction is that of SQLAlchemy."""

    async def begin(self, connection: AsyncConnection, *, read_only: bool) -> None:
        """Write in READ COMMITTED, guarded by versions. Read one snapshot in REPEATABLE READ, READ ONLY."""
        self._sessions[connection] = connection.info[_CONFIGURED]
        await run(connection, _BEGIN[read_only])
        if driver_of(connection).get_autocommit():
            await run(connection, "START TRANSACTION")

    async def commit(self, connection: AsyncConnection) -> None:
        """Commit, through SQLAlchemy if a statement that SQLAlchemy ran made it track the transaction."""
        await driver.notice_the_end(connection)
        await (connection.commit() if connection.in_transaction() else driver.commit(connection))
        await release_schema_lock(connection)

    async def rollback(self, connection: AsyncConnection) -> None:
        """Roll back. If the connection is lost, kill the session on the server."""
        session = self._sessions.pop(connection, None)
        if not self.is_lost(connection):
            await (connection.rollback() if connection.in_transaction() else driver.rollback(connection))
            await release_schema_lock(connection)
            return
        await connection.invalidate()
        await connection.close()
        if session is not None:
            await end_session(connection.engine, session)

    async def discard(self, connection: AsyncConnection) -> None:
        """Return the connection to the pool, which rolls back."""
        await driver.give_back(connection)

    async def release(self, connection: AsyncConnection) -> None:
        """Return the connection to the pool, and let a cancellation wait for the pool's ROLLBACK.

        The pool would log an error and lose the connection if its ROLLBACK were cancelled.
        """
        _, cancelled = await uninterrupted(driver.give_back(connection))
        cancel_later(cancelled)

    async def clean_up(self, connection: AsyncConnection) -> None:
        """Do nothing: a cancelled statement has closed its connection."""

    async def fetch(self, connection: AsyncConnection, text: str, parameters: tuple[Any, ...]) -> Sequence[Any]:
        """Run a statement and return its rows."""
        rows: Sequence[Any] = await (await run(connection, text, parameters)).fetchall()
        return rows

    async def change(self, connection: AsyncConnection, text: str, parameters: tuple[Any, ...]) -> int:
        """Run a statement and return the number of matched rows. For `insert_new`, return the number of new rows."""
        cursor = await run(connection, text, parameters)
        return 0 if "LAST_INSERT_ID" in text and cursor.lastrowid else cursor.rowcount

    async def change_many(self, connection: AsyncConnection, text: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run a statement once for each tuple of parameters."""
        await run_many(connection, text, rows)

    def is_lost(self, connection: AsyncConnection) -> bool:
        """Return whether asyncmy knows that the connection is closed."""
        return driver.is_lost(connection)

    async def _started(self, connection: AsyncConnection) -> int:
        """Return the start time of the server. Every connection of a run gets the same time.

        The server subtracts its start time from the start time of the statement to compute the uptime, and UNIX_TIMESTAMP()
        is that same start time of the statement.
        """
        dialect = cast(MySQLDialect, connection.dialect)
        schema = "information_schema" if dialect.is_mariadb else "performance_schema"
        ((started,),) = await self.fetch(connection, _STARTED.format(schema=schema), ())
        return int(started)


def _nothing() -> None:
    """Release no lock."""
