"""Calls of asyncmy without a detour through SQLAlchemy, and the end of server sessions whose client was cancelled.

A task that is cancelled while it waits for an answer leaves a connection that cannot be used again, so the connection is
closed. The server does not notice: its session continues, waits for locks and keeps its own. `end_session` ends it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple, TypeVar, cast

from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ..in_time import CLEANUP
from ..uninterrupted import uninterrupted
from .errors import CONNECTION_LOST, code_of

T = TypeVar("T")

_SERVER: Final = "SELECT CONCAT_WS('/', @@hostname, @@port, @@server_id)"

_TIMEOUT: Final = 1.0
"""Seconds that ending another session may take."""


class Session(NamedTuple):
    """A connection's session on the server.

    Attributes:
        server: identifies the server, since a load balancer may have several behind it.
        number: the number by which the server can kill the session.
    """

    server: str
    number: int


def driver_of(connection: AsyncConnection) -> Any:
    """Return asyncmy's own connection."""
    return cast(Connection, connection.sync_connection).connection.driver_connection


async def run(connection: AsyncConnection, text: str, parameters: tuple[Any, ...] = ()) -> Any:
    """Run a statement and return asyncmy's cursor, which holds all rows."""
    driver = driver_of(connection)
    cursor = driver.cursor()
    await _answered(connection, driver, cursor.execute(text, parameters))
    return cursor


async def run_many(connection: AsyncConnection, text: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Run a statement once for each tuple of parameters. asyncmy combines the rows of an INSERT into few statements."""
    driver = driver_of(connection)
    await _answered(connection, driver, driver.cursor().executemany(text, rows))


async def commit(connection: AsyncConnection) -> None:
    """Commit."""
    driver = driver_of(connection)
    await _answered(connection, driver, driver.commit())


async def rollback(connection: AsyncConnection) -> None:
    """Roll back."""
    driver = driver_of(connection)
    await _answered(connection, driver, driver.rollback())


async def give_back(connection: AsyncConnection) -> None:
    """Return a connection to the pool, whose ROLLBACK waits for the server. Close it if the server does not answer."""
    driver = None if connection.closed or is_lost(connection) else driver_of(connection)
    returning = asyncio.ensure_future(connection.close())
    await asyncio.wait([returning], timeout=CLEANUP)
    if driver is not None and not returning.done():
        driver.close()  # the pool notices an error, and not a cancellation, by which it would lose the connection
    await returning


async def notice_the_end(connection: AsyncConnection) -> None:
    """Let the event loop read the end of the connection, if the server has ended the session before.

    asyncmy then refuses to send a statement (`NEVER_SENT`). Otherwise a process that continues after a pause would send
    a COMMIT on a closed connection, and could not know its outcome. The first iteration of the loop polls the socket after
    this task was scheduled, so the second one reads it before this task runs.
    """
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def is_lost(connection: AsyncConnection) -> bool:
    """Return whether the connection is closed."""
    return connection.invalidated or not driver_of(connection).connected


async def session_of(connection: AsyncConnection) -> Session:
    """Ask the server for a connection's session."""
    ((server,),) = await (await run(connection, _SERVER)).fetchall()
    return Session(server, driver_of(connection).thread_id())


async def end_session(engine: AsyncEngine, session: Session) -> None:
    """Kill a session from another connection. If that takes too long, the server's timeouts end the session."""
    with suppress(Exception):
        async with asyncio.timeout(_TIMEOUT), engine.connect() as connection:
            if (await session_of(connection)).server == session.server:
                await run(connection, f"KILL {session.number}")


async def _answered(connection: AsyncConnection, driver: Any, answer: Awaitable[T]) -> T:
    try:
        return await answer
    except BaseException as error:
        if not isinstance(error, Exception):
            driver.close()  # the answer was not read
            await uninterrupted(connection.invalidate(error))
        elif isinstance(error, OSError) or code_of(error) in CONNECTION_LOST:
            driver.close()  # asyncmy does not close it, and still reports that it is connected
        raise
