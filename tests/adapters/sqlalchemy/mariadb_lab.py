"""Queries of the MariaDB tests to the server."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from twofold.testing.conformance._tools.in_time import until

_SESSION = re.compile(r"(?:MariaDB|MySQL) thread id (\d+)")


async def value(engine: AsyncEngine, statement: str) -> Any:
    """Ask the server something."""
    async with engine.connect() as connection:
        found = await connection.exec_driver_sql(statement)
        return found.scalar() if found.returns_rows else None


async def transactions(engine: AsyncEngine) -> list[str]:
    """Return how InnoDB describes each open transaction of this database.

    The table `innodb_trx` is not suitable: InnoDB refreshes it only if it was not read for a tenth of a second.
    """
    ours = f"SELECT group_concat(id) FROM information_schema.processlist WHERE db = '{engine.url.database}'"
    sessions = str(await value(engine, ours)).split(",")
    async with engine.connect() as connection:
        status = (await connection.exec_driver_sql("SHOW ENGINE INNODB STATUS")).mappings().one()["Status"]
    found = status.rpartition("LIST OF TRANSACTIONS FOR EACH SESSION")[2].partition("\nFILE I/O\n")[0]
    open_ones = [each for each in found.split("---TRANSACTION")[1:] if ", not started" not in each]
    return [each for each in open_ones if (session := _SESSION.search(each)) and session[1] in sessions]


async def until_one_waits(engine: AsyncEngine) -> None:
    """Return when a session of this database waits for a row lock."""

    async def one_waits() -> bool:
        return any("LOCK WAIT" in each for each in await transactions(engine))

    await until(one_waits, "a session was to wait for a lock", pause=0.05)
