"""Notifications between processes on PostgreSQL, by NOTIFY and LISTEN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import anyio
from sqlalchemy.ext.asyncio import AsyncConnection

from twofold.ports import logger_of

from ..._connection.database import Database
from ..._dialects.postgresql.driver import driver_of
from ..._dialects.postgresql.session import session_of
from ..._dialects.uninterrupted import uninterrupted

logger = logger_of("twofold.notifications")

_CHANNEL: Final = "'twofold_' || 'twofold_events'::regclass::oid"
"""One channel for each log. The table's OID distinguishes logs in several schemas of one database."""

_NOTIFY: Final = f"SELECT pg_notify({_CHANNEL}, $1)"


class PostgreSQLNotifier:
    """The `Notifier` of PostgreSQL.

    Args:
        database: the database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._told = False

    async def announce(self, origin: str) -> None:
        """Notify the other processes, outside of the appending transaction: NOTIFY makes commits wait for each other."""

        async def send(connection: AsyncConnection) -> None:
            await self._database.dialect.connections.fetch(connection, _NOTIFY, (origin,))

        await self._database.use_driver(send, "announce events")

    async def watch(self, notify: Callable[[str], None]) -> None:
        """Listen until the connection is lost or this task is cancelled. The pool does not count the connection.

        Return immediately if a connection pooler, which delivers no notifications, may replace the session.
        """
        connection = await self._database.engine.connect()
        try:
            await self._database.dialect.connections.configure(connection)
            if session_of(connection).pooled:
                self._tell()
                return
            ((channel,),) = await self._database.dialect.connections.fetch(connection, f"SELECT {_CHANNEL}", ())
            driver, lost = driver_of(connection), anyio.Event()
            (await connection.get_raw_connection()).detach()
            driver.add_termination_listener(lambda *_: lost.set())
            await driver.add_listener(channel, lambda _connection, _pid, _channel, origin: notify(origin))
            notify("")  # an earlier notification may have been missed
            await lost.wait()
        finally:
            await uninterrupted(_close(connection))

    def _tell(self) -> None:
        if not self._told:
            self._told = True
            logger.info(
                "The engine connects through a connection pooler, which delivers no notifications: this process polls. "
                "Connect workers directly to the server, or use notifier=."
            )


async def _close(connection: AsyncConnection) -> None:
    with anyio.move_on_after(1):
        await connection.close()
