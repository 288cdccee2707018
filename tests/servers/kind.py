"""A kind of server: its location, the start of a private one, and databases for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Protocol

from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from twofold.testing.conformance._tools.in_time import CEILING

from .process import PATIENCE, PrivateServer


class Kind(Protocol):
    """A kind of server."""

    name: str
    """As a reader knows it."""
    variable: str
    """The environment variable that may name one."""
    usual: str
    """The URL at which one is looked for unasked."""
    programs: str
    """The program that must be installed to start a private server."""

    def installed(self) -> bool:
        """Return whether a private server can be started."""
        ...

    def reachable(self, url: str) -> bool:
        """Return whether a server accepts connections at this URL."""
        ...

    def private(self) -> PrivateServer:
        """Start a private server; the caller removes it."""
        ...


class DatabaseKind(Kind, Protocol):
    """PostgreSQL, or MariaDB and MySQL."""

    def create(self, url: str, database: str) -> None:
        """Create an empty database on the server of this URL."""
        ...

    def empty(self, url: str, database: str) -> None:
        """Make a database as good as new, whatever a test has left in it, open transactions included."""
        ...

    def clear(self, url: str, database: str) -> str:
        """Delete all rows of Twofold's tables, and drop all other tables.

        Return a text that describes the tables that remain. A test may have changed them.
        """
        ...

    def drop(self, url: str, database: str) -> None:
        """Drop a database and end its sessions."""
        ...


def administer(url: str, statements: Sequence[str], seconds: float = CEILING) -> list[Any]:
    """Run statements one by one, and return the first column of the last result with rows.

    All statements together may take this number of seconds. The function can be called from any thread, also from a
    thread with a running event loop, which is blocked during the call.
    """

    async def run() -> list[Any]:
        column: list[Any] = []
        async with asyncio.timeout(seconds), _engine(url).connect() as connection:
            for statement in statements:
                result = await connection.exec_driver_sql(statement)
                column = list(result.scalars()) if result.returns_rows else column
        return column

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, run()).result()


@cache
def _engine(url: str) -> AsyncEngine:
    """Return an engine that keeps no connection. Its first one asks the server more than later ones."""
    return create_async_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)


def reachable(url: str) -> bool:
    """Return whether a server accepts connections at this URL."""
    try:
        administer(url, ["SELECT 1"], seconds=PATIENCE)
    except (DBAPIError, OSError):
        return False
    return True


def within(url: str, database: str) -> str:
    """Return the URL of another database on the same server."""
    return make_url(url).set(database=database).render_as_string(hide_password=False)
