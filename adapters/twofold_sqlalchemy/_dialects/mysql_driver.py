"""Calls of asyncmy without SQLAlchemy's detour, and what happens to a session whose client was cancelled.

A task that is cancelled while it waits for an answer leaves a connection that nobody can use any more; it is closed. The
server does not notice: its session goes on, waits for locks and keeps those that it has. `end_session` ends it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple, TypeVar, cast

from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from .mysql_errors import ENDED, code_of
from .uninterrupted import uninterrupted

T = TypeVar("T")

_SERVER: Final = "SELECT CONCAT_WS('/', @@hostname, @@port, @@server_id)"

_PATIENCE: Final = 1.0
"""Seconds that ending another session may take."""


class Session(NamedTuple):
    """What the server knows of a connection.

    Attributes:
        server: which server it is; behind a load balancer there may be several.
        number: the number by which it is killed there.
    """

    server: str
    number: int


def driver_of(connection: AsyncConnection) -> Any:
    """Return asyncmy's own connection."""
    return cast(Connection, connection.sync_connection).connection.driver_connection


async def run(connection: AsyncConnection, text: str, parameters: tuple[Any, ...] = ()) -> Any:
    """Run a statement and return the driver's cursor, which has all rows."""
    driver = driver_of(connection)
    cursor = driver.cursor()
    await _answered(connection, driver, cursor.execute(text, parameters))
    return cursor


async def run_many(connection: AsyncConnection, text: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Run a statement once for each set of parameters; the driver writes the rows of an insert into few statements."""
    driver = driver_of(connection)
    await _answered(connection, driver, driver.cursor().executemany(text, rows))


async def commit(connection: AsyncConnection) -> None:
    """COMMIT."""
    driver = driver_of(connection)
    await _answered(connection, driver, driver.commit())


async def rollback(connection: AsyncConnection) -> None:
    """ROLLBACK."""
    driver = driver_of(connection)
    await _answered(connection, driver, driver.rollback())


def is_lost(connection: AsyncConnection) -> bool:
    """Return whether the connection is closed."""
    return connection.invalidated or not driver_of(connection).connected


async def session_of(connection: AsyncConnection) -> Session:
    """Ask where the other end of a connection is."""
    ((server,),) = await (await run(connection, _SERVER)).fetchall()
    return Session(server, driver_of(connection).thread_id())


async def end_session(engine: AsyncEngine, session: Session) -> None:
    """Kill a session, from another connection and if that goes quickly; its own time-outs end it otherwise."""
    with suppress(Exception):
        async with asyncio.timeout(_PATIENCE), engine.connect() as connection:
            if (await session_of(connection)).server == session.server:
                await run(connection, f"KILL {session.number}")


async def _answered(connection: AsyncConnection, driver: Any, answer: Awaitable[T]) -> T:
    try:
        return await answer
    except BaseException as error:
        if not isinstance(error, Exception):
            driver.close()  # nobody has read the answer
            await uninterrupted(connection.invalidate(error))
        elif isinstance(error, OSError) or code_of(error) in ENDED:
            driver.close()  # the driver does not do it, and believes that it is connected
        raise
