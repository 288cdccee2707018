"""Notifications between processes on PostgreSQL, by NOTIFY, and who holds readers back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import anyio
from sqlalchemy.ext.asyncio import AsyncConnection

from .._dialects.uninterrupted import uninterrupted

if TYPE_CHECKING:
    from .._connection.database import Database

_CHANNEL: Final = "SELECT 'twofold_' || 'twofold_events'::regclass::oid"
"""One channel a log. The table's number tells logs in several schemas of one database apart."""

HOLDERS: Final = """
SELECT coalesce(activity.pid, 0), coalesce(activity.application_name, ''), coalesce(activity.state, 'prepared'),
    coalesce(extract(epoch FROM clock_timestamp() - activity.xact_start)::float8, 0), coalesce(activity.query, '')
FROM pg_locks AS held LEFT JOIN pg_stat_activity AS activity ON activity.pid = held.pid
WHERE held.locktype = 'advisory' AND held.classid = $2::int::oid AND held.objsubid = 2
AND held.virtualtransaction = ANY($1::text[])
"""


def described(row: Any) -> str:
    """Say in words which session holds readers back."""
    pid, application, state, seconds, query = row
    named = f" of {application}" if application else ""
    return f"session {pid}{named} appends for {seconds:.1f} s; it is {state}, its last statement is {query[:80]!r}"


async def announce(database: Database) -> None:
    """Tell the others. In a transaction of its own: NOTIFY would make commits wait for each other."""

    async def tell(connection: AsyncConnection) -> None:
        ((channel,),) = await database.dialect.fetch(connection, _CHANNEL, ())
        await database.dialect.fetch(connection, "SELECT pg_notify($1, '')", (channel,))

    await database.look(tell, "announce events")


async def watch(database: Database, driver_of: Callable[[AsyncConnection], Any], heard: Callable[[], None]) -> None:
    """Listen on a connection that the pool does not count, until it is lost or this task is cancelled."""
    connection = await database.engine.connect()
    try:
        ((channel,),) = await database.dialect.fetch(connection, _CHANNEL, ())
        driver, lost = driver_of(connection), anyio.Event()
        (await connection.get_raw_connection()).detach()
        driver.add_termination_listener(lambda *_: lost.set())
        await driver.add_listener(channel, lambda *_: heard())
        heard()  # whatever was announced before
        await lost.wait()
    finally:
        await uninterrupted(_close(connection))


async def _close(connection: AsyncConnection) -> None:
    with anyio.move_on_after(1):
        await connection.close()
