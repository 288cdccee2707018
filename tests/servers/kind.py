"""What the tests need to know of a kind of server: where it is looked for, how it is started, how a test gets its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
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
    """What must be installed to start a private one."""

    def installed(self) -> bool:
        """Tell whether a private server can be started."""
        ...

    def reachable(self, url: str) -> bool:
        """Tell whether a server accepts us at this URL."""
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

    def drop(self, url: str, database: str) -> None:
        """Drop a database and throw out who is still in it."""
        ...


def administer(url: str, statements: Sequence[str], seconds: float = CEILING) -> list[Any]:
    """Run statements, each by itself, and return the first column of the last one that has rows.

    All together they may take so many seconds. It can be called from any thread, also from one whose event loop runs;
    that loop stands still meanwhile.
    """

    async def run() -> list[Any]:
        column: list[Any] = []
        engine = create_async_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        try:
            async with asyncio.timeout(seconds), engine.connect() as connection:
                for statement in statements:
                    result = await connection.exec_driver_sql(statement)
                    column = list(result.scalars()) if result.returns_rows else column
        finally:
            await engine.dispose()
        return column

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, run()).result()


def reachable(url: str) -> bool:
    """Tell whether a server accepts us at this URL."""
    try:
        administer(url, ["SELECT 1"], seconds=PATIENCE)
    except (DBAPIError, OSError):
        return False
    return True


def within(url: str, database: str) -> str:
    """Return the URL of another database on the same server."""
    return make_url(url).set(database=database).render_as_string(hide_password=False)
