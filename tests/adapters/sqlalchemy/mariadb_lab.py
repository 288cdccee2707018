"""What the tests of MariaDB ask the server."""

from __future__ import annotations

from typing import Any

import anyio
from sqlalchemy.ext.asyncio import AsyncEngine


async def value(engine: AsyncEngine, statement: str) -> Any:
    """Ask the server something."""
    async with engine.connect() as connection:
        found = await connection.exec_driver_sql(statement)
        return found.scalar() if found.returns_rows else None


async def until_one_waits(engine: AsyncEngine) -> None:
    """Return when a session on this server waits for a row lock."""
    database = engine.url.database
    waiting = (
        "SELECT count(*) FROM information_schema.innodb_trx JOIN information_schema.processlist "
        f"ON trx_mysql_thread_id = processlist.id WHERE trx_state = 'LOCK WAIT' AND db = '{database}'"
    )
    with anyio.fail_after(10):
        while not await value(engine, waiting):
            pass
