"""Notifications between processes on PostgreSQL, by NOTIFY and LISTEN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import anyio
from sqlalchemy.ext.asyncio import AsyncConnection

from ..._connection.database import Database
from ..._dialects.postgresql.driver import driver_of
from ..._dialects.uninterrupted import uninterrupted

_CHANNEL: Final = "SELECT 'twofold_' || 'twofold_events'::regclass::oid"
"""One channel for each log. The table's OID distinguishes logs in several schemas of one database."""


class PostgreSQLNotifier:
    """The `Notifier` of PostgreSQL.

    Args:
        database: the database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def announce(self) -> None:
        """Notify the other processes, outside of the appending transaction: NOTIFY makes commits wait for each other."""
        await self._database.use(self._notify, "announce events")

    async def watch(self, heard: Callable[[], None]) -> None:
        """Listen until the connection is lost or this task is cancelled. The pool does not count the connection."""
        connection = await self._database.engine.connect()
        try:
            channel, driver, lost = await self._channel(connection), driver_of(connection), anyio.Event()
            (await connection.get_raw_connection()).detach()
            driver.add_termination_listener(lambda *_: lost.set())
            await driver.add_listener(channel, lambda *_: heard())
            heard()  # an earlier notification may have been missed
            await lost.wait()
        finally:
            await uninterrupted(_close(connection))

    async def _notify(self, connection: AsyncConnection) -> None:
        channel = await self._channel(connection)
        await self._database.dialect.connections.fetch(connection, "SELECT pg_notify($1, '')", (channel,))

    async def _channel(self, connection: AsyncConnection) -> Any:
        ((channel,),) = await self._database.dialect.connections.fetch(connection, _CHANNEL, ())
        return channel


async def _close(connection: AsyncConnection) -> None:
    with anyio.move_on_after(1):
        await connection.close()
