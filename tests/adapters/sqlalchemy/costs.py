"""The number of rows that a database reads for what a store asks, without a clock."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from twofold_sqlalchemy import SqlAlchemy

ANOTHER_ID = {
    "postgresql": "gen_random_uuid()",
    "mysql": "UNHEX(MD5(n))",
    "sqlite": "printf('00000000-0000-4000-8000-%012d', n)",
}
SEVERAL = UUID("00000000-0000-4000-8000-000000000000")
"""The correlation id of every fifth event."""

NUMBERS = {
    "postgresql": "generate_series(2, {rows}) AS n",
    "mysql": "(SELECT seq AS n FROM seq_2_to_{rows}) AS numbers",
    "sqlite": "(WITH RECURSIVE each(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM each WHERE n < {rows}) SELECT n FROM each)",
}
NEVER_ANALYSED = {
    "postgresql": "ALTER TABLE twofold_events SET (autovacuum_enabled = off)",
    "mysql": "ALTER TABLE twofold_events STATS_AUTO_RECALC = 0",
}
ANALYSE = {"postgresql": "ANALYZE twofold_events", "mysql": "ANALYZE TABLE twofold_events", "sqlite": "ANALYZE"}


class Statement(NamedTuple):
    """A SELECT and its parameters, as the driver got them."""

    text: str
    parameters: tuple[Any, ...]


async def fill(engine: AsyncEngine, rows: int, *, rare: int) -> None:
    """Copy the only event of a log, whose position is 1, without letting the database collect statistics.

    Every fifth event belongs to one of 50 streams, and to one interaction. Each other event belongs to one long stream, and
    to an interaction of its own.

    Args:
        engine: the database.
        rows: the number of events afterwards.
        rare: the number of events between two with the name `test.rare`.
    """
    name = engine.dialect.name
    # MariaDB counts positions by itself, and the other databases do when none is given.
    position, number = ("position, ", "n, ") if name == "mysql" else ("", "")
    copied = "time, data"
    insert = (
        f"INSERT INTO twofold_events ({position}stream, version, name, schema_version, id, metadata, {copied}) "
        f"SELECT {number}CASE WHEN n % 5 = 0 THEN {_text(name, 'n / 5 % 50')} ELSE 'long' END, "
        f"CASE WHEN n % 5 = 0 THEN {_whole(name, 'n / 5 / 50')} + 1 ELSE n - {_whole(name, 'n / 5')} END, "
        f"CASE WHEN n % {rare} = 0 THEN 'test.rare' ELSE 'test.happened' END, 1, {ANOTHER_ID[name]}, "
        f"{_metadata(name)}, {copied} "
        f"FROM {NUMBERS[name].format(rows=rows)}, (SELECT {copied} FROM twofold_events WHERE position = 1) AS first"
    )
    statements = [NEVER_ANALYSED[name], insert] if name in NEVER_ANALYSED else [insert]
    if name == "mysql":
        statements.append("UPDATE twofold_meta SET head = (SELECT MAX(position) FROM twofold_events)")
    async with engine.begin() as connection:
        for statement in statements:
            await connection.exec_driver_sql(statement.replace("%", "%%") if name == "mysql" else statement)


def correlation(position: int) -> UUID:
    """Return the correlation id of an event that has its own."""
    return UUID(f"00000000-0000-4000-8000-{position:012}")


def _metadata(name: str) -> str:
    """Return the metadata of the event `n`."""
    padded = {"postgresql": "lpad(n::text, 12, '0')", "mysql": "LPAD(n, 12, '0')", "sqlite": "printf('%012d', n)"}[name]
    number = f"CASE WHEN n % 5 = 0 THEN '000000000000' ELSE {padded} END"
    parts = """'{"correlation_id":"00000000-0000-4000-8000-'""", number, """'"}'"""
    if name == "mysql":
        return f"CONCAT({', '.join(parts)})"
    text = f"({' || '.join(parts)})"
    return f"{text}::json" if name == "postgresql" else text


def _whole(name: str, quotient: str) -> str:
    return f"FLOOR({quotient})" if name == "mysql" else f"({quotient})"


def _text(name: str, number: str) -> str:
    if name == "mysql":
        return f"CONCAT('s-', FLOOR({number}))"
    return f"'s-' || ({number})"


async def cost(engine: AsyncEngine, store: SqlAlchemy, work: Callable[[], Awaitable[Any]]) -> int:
    """Return how many rows the database reads for the SELECTs that a store sends; on SQLite, a fortieth of its steps."""
    sent: list[Statement] = []
    connections: Any = store._database.dialect.connections
    fetch = connections.fetch

    async def noting(connection: Any, text: str, parameters: tuple[Any, ...]) -> Any:
        sent.append(Statement(text, tuple(parameters)))
        return await fetch(connection, text, parameters)

    connections.fetch = noting
    try:
        await work()
    finally:
        connections.fetch = fetch
    assert sent
    return sum([await READ[engine.dialect.name](engine, each) for each in sent])


async def _by_explain(engine: AsyncEngine, statement: Statement) -> int:
    async with engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        explained = await driver.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.text}", *statement.parameters)
    plans = json.loads(explained) if isinstance(explained, str) else explained
    removed = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
    return sum(
        (each["Actual Rows"] + sum(each.get(name, 0) for name in removed)) * each["Actual Loops"]
        for each in _nodes(plans[0]["Plan"])
        if "Relation Name" in each
    )


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes(part)


async def _by_handlers(engine: AsyncEngine, statement: Statement) -> int:
    async with engine.connect() as connection:

        async def handled() -> int:
            found: Any = await connection.exec_driver_sql("SHOW SESSION STATUS LIKE 'Handler_read%%'")
            return sum(int(count) for _, count in found)

        first, second = await handled(), await handled()  # the question is counted, too
        await connection.exec_driver_sql(statement.text, statement.parameters)
        return await handled() - second - (second - first)


async def _by_steps(engine: AsyncEngine, statement: Statement) -> int:
    def steps() -> int:
        counted = 0

        def count() -> int:
            nonlocal counted
            counted += 1
            return 0

        connection = sqlite3.connect(str(engine.url.database))
        connection.set_progress_handler(count, 40)
        connection.execute(statement.text, statement.parameters).fetchall()
        connection.close()
        return counted

    return await asyncio.to_thread(steps)


READ = {"postgresql": _by_explain, "mysql": _by_handlers, "sqlite": _by_steps}
