"""The settings of a session, and the run of its server."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from .driver import driver_of
from .pooler import fetch_unnamed

_SESSION: Final = "twofold_session"
"""The key in `connection.info`, which the pool keeps, under which a configured connection has its session."""

_CONFIGURE: Final = """
SELECT run, pooled, high, CASE WHEN high AND NOT pooled THEN set_config(name, $1::text, false) END
FROM (
    SELECT extract(epoch FROM pg_postmaster_start_time())::text AS run, pg_backend_pid() <> $2::int AS pooled, name,
        $1::bigint > 0 AND NOT setting::bigint BETWEEN 1 AND $1 AS high
    FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout'
) AS session
"""
"""Lowers the timeout, in milliseconds, unless it is already lower; 0 is none. In a pooler's session, which another client
may get next, the timeout is set in each transaction instead."""


class Session(NamedTuple):
    """The session of a configured connection.

    Attributes:
        run: identifies the run of the server.
        pooled: whether a connection pooler may replace the session.
        setting: the statement that lowers the timeout of each transaction, or an empty text; always empty without a pooler.
    """

    run: str
    pooled: bool
    setting: str


async def configure(connection: AsyncConnection, idle: int) -> Session:
    """Apply Twofold's settings to a connection, and read the run of the server.

    Args:
        connection: the connection.
        idle: milliseconds after which the server ends a session that idles in a transaction; 0 for the server's setting.
    """
    driver = driver_of(connection)
    run, pooled, high, _ = await fetch_unnamed(driver, _CONFIGURE, idle, driver.get_server_pid())
    setting = f"; SET LOCAL idle_in_transaction_session_timeout = {idle}" if high and pooled else ""
    session = connection.info[_SESSION] = Session(run, pooled, setting)
    return session


def known_session(connection: AsyncConnection) -> Session | None:
    """Return the session of a configured connection, unless a pooler may have replaced the session."""
    sync: Any = connection.sync_connection  # what `connection.info` returns, without its five calls
    session: Session | None = sync.connection.info.get(_SESSION)
    return None if session is None or session.pooled else session


def session_of(connection: AsyncConnection) -> Session:
    """Return the session of a configured connection."""
    session: Session = connection.info[_SESSION]
    return session
