"""Look at a server from outside, and wait for what it does by itself."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from .kind import administer


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[AsyncConnection]:
    """Connect for the length of a block."""
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()


def eventually(holds: Callable[[], bool]) -> bool:
    """Tell whether it holds within ten seconds."""
    deadline = time.monotonic() + 10
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def wait_until_runs(url: str, statement: str) -> None:
    """Return once the server runs the statement."""
    column, table = ("query", "pg_stat_activity") if "postgresql" in url else ("info", "information_schema.processlist")
    quoted = statement.replace("'", "''")
    assert eventually(lambda: bool(administer(url, [f"SELECT 1 FROM {table} WHERE {column} = '{quoted}'"])))
