"""Connections, transactions, and statements on PostgreSQL. They call asyncpg without a detour through SQLAlchemy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from twofold.errors import ConfigurationError, StorageError

from ..uninterrupted import uninterrupted
from .driver import driver_of
from .pooler import Pooler, is_ready, pooler_of
from .session import configure, known_session, session_of

_TIMEOUT: Final = 2.0
"""Seconds after which a connection that does not answer is closed."""

_OWN_CREATOR: Final = (
    "cannot use an engine that has its own creator of connections through a connection pooler, such as PgBouncer: create "
    "the engine from a URL. Twofold then opens connections with statement_cache_size=0, prepared_statement_cache_size=0 and "
    "prepared_statement_name_func=lambda: '', because a pooler may run each transaction in another session."
)

_AUTOCOMMIT: Final = "AUTOCOMMIT"

_BEGIN: Final = {
    False: "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
    True: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
}


class PostgreSQLConnections:
    """The `Connections` of asyncpg.

    Args:
        idle_transaction_timeout: seconds after which the server ends a session that idles in a transaction. None: the
            server's own setting.
    """

    survives_fork = True

    def __init__(self, *, idle_transaction_timeout: float | None) -> None:
        self._idle = 0 if idle_transaction_timeout is None else max(1, round(1000 * idle_transaction_timeout))
        self._pooler = Pooler()

    def attach(self, engine: AsyncEngine) -> AsyncEngine:
        """Open the connections of the engine from now on, to recognise a pooler."""
        if engine.dialect.driver != "asyncpg":
            raise ConfigurationError(
                f"cannot use the driver {engine.dialect.driver!r} for PostgreSQL: use postgresql+asyncpg://."
            )
        self._pooler = pooler_of(engine)
        return engine

    async def acquire_write_lock(self) -> Callable[[], None]:
        """Return immediately: PostgreSQL allows concurrent writers."""
        return _nothing

    async def configure(self, connection: AsyncConnection) -> str:
        """Replace a connection that was closed while it was in the pool. Apply Twofold's settings to a new connection.

        Return the start time of the server. A promoted standby has another one than its primary.
        """
        while driver_of(connection).is_closed():
            await _replace(connection)
        session = known_session(connection)
        if session is not None:
            return session.run
        session = await configure(connection, self._idle)
        if session.pooled and not is_ready(connection, self._pooler):  # the pool opened the connection before `attach`
            self._pooler.found = True
            await _replace(connection)
            session = await configure(connection, self._idle)
            if not is_ready(connection, self._pooler):
                raise ConfigurationError(_OWN_CREATOR)
        return session.run

    def file(self) -> str:
        """Return an empty text."""
        return ""

    async def prepare(self, connection: AsyncConnection) -> None:
        """Switch SQLAlchemy to autocommit: `begin`, `commit` and `rollback` send their statements themselves.

        The option costs each checkout of a connection about as much time as the rest of it, and most checkouts call
        asyncpg only.
        """
        sync: Any = connection.sync_connection
        if sync.get_execution_options().get("isolation_level") != _AUTOCOMMIT:
            await connection.execution_options(isolation_level=_AUTOCOMMIT)

    async def begin(self, connection: AsyncConnection, *, read_only: bool) -> None:
        """Write in READ COMMITTED, guarded by versions. Read one snapshot in REPEATABLE READ READ ONLY."""
        setting = session_of(connection).setting if self._pooler.found else ""
        await driver_of(connection).execute(_BEGIN[read_only] + setting)

    async def commit(self, connection: AsyncConnection) -> None:
        """Commit. PostgreSQL answers ROLLBACK when an error has aborted the transaction."""
        if await driver_of(connection).execute("COMMIT") != "COMMIT":
            raise StorageError("cannot commit: an earlier error aborted the transaction.")

    async def rollback(self, connection: AsyncConnection) -> None:
        """Roll back."""
        await driver_of(connection).execute("ROLLBACK")

    async def discard(self, connection: AsyncConnection) -> None:
        """Close the connection: SQLAlchemy's pool does not know of a BEGIN that SQLAlchemy did not send."""
        await connection.invalidate()
        await connection.close()

    async def release(self, connection: AsyncConnection) -> None:
        """Close it, which returns it to the pool."""
        await connection.close()

    async def clean_up(self, connection: AsyncConnection) -> None:
        """End the implicit transaction that asyncpg leaves open between preparing a statement and running it.

        A later BEGIN would become part of the implicit transaction and be refused. Any simple query ends it.
        """
        # A further cancellation repeats the one that is being handled.
        try:
            await uninterrupted(asyncio.wait_for(driver_of(connection).execute("SELECT 1"), _TIMEOUT))
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await uninterrupted(connection.invalidate())

    async def fetch(self, connection: AsyncConnection, text: str, parameters: tuple[Any, ...]) -> Sequence[Any]:
        """Run a statement and return its rows. asyncpg prepares each statement once."""
        rows: Sequence[Any] = await driver_of(connection).fetch(text, *parameters)
        return rows

    async def change(self, connection: AsyncConnection, text: str, parameters: tuple[Any, ...]) -> int:
        """Run a statement and return the number in its command tag, such as `UPDATE 1`."""
        tag: str = await driver_of(connection).execute(text, *parameters)
        number = tag.rpartition(" ")[2]
        return int(number) if number.isdigit() else 0

    async def change_many(self, connection: AsyncConnection, text: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Send all rows before waiting for the answers."""
        await driver_of(connection).executemany(text, rows)

    def is_lost(self, connection: AsyncConnection) -> bool:
        """Return whether asyncpg knows that the connection is closed."""
        return connection.invalidated or bool(driver_of(connection).is_closed())


async def _replace(connection: AsyncConnection) -> None:
    """Replace a connection of the pool."""
    await connection.invalidate()
    await connection.get_raw_connection()


def _nothing() -> None:
    """Release no lock."""
