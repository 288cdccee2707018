"""Inspect a server from outside, and wait for its own actions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from .kind import administer
from .waiting import wait_until


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[AsyncConnection]:
    """Connect for the length of a block."""
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()


def wait_until_runs(url: str, statement: str) -> None:
    """Return once the server runs the statement."""
    column, table = ("query", "pg_stat_activity") if "postgresql" in url else ("info", "information_schema.processlist")
    quoted = statement.replace("'", "''")
    found = [f"SELECT 1 FROM {table} WHERE {column} = '{quoted}'"]
    wait_until(lambda: bool(administer(url, found)), f"the server was to run {statement}")
