"""The catalog of PostgreSQL: version, sequence, triggers and indexes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from twofold.errors import ConfigurationError

from ..dialect import FoundTable
from ..found import found_tables

_OLDEST: Final = 14

ADVISORY_LOCK: Final = 20_030_114
"""The first key of Twofold's advisory locks. The second key is the log's table, so that each schema has its own log."""

INLINE_GENERATION: Final = "twofold_inline_generation()"
"""The call of the function that returns the generation of the inline projections."""

_TABLES: Final = """
SELECT name, attname, upper(format_type(atttypid, atttypmod)), coalesce(array_position(conkey, attnum), 0)
FROM unnest($1::text[]) AS name JOIN pg_attribute ON attrelid = to_regclass(quote_ident(name))
LEFT JOIN pg_constraint ON conrelid = attrelid AND contype = 'p'
WHERE attnum > 0 AND NOT attisdropped
"""


class PostgreSQLCatalog:
    """The `Catalog` of PostgreSQL."""

    async def check(self, connection: AsyncConnection) -> None:
        """Check the server's version, and that the sequence of positions has no cache."""
        version = (await connection.exec_driver_sql("SHOW server_version_num")).scalar_one()
        if int(version) < _OLDEST * 10000:
            raise ConfigurationError(
                f"cannot use PostgreSQL {int(version) // 10000}: this adapter needs {_OLDEST} or later."
            )
        found = await connection.exec_driver_sql(
            "SELECT seqcache FROM pg_sequence WHERE to_regclass('twofold_events') IS NOT NULL "
            "AND seqrelid = pg_get_serial_sequence('twofold_events', 'position')::regclass"
        )
        if found.scalar() not in (None, 1):
            raise ConfigurationError(
                "cannot use this event log: the sequence of twofold_events.position has a cache, so positions would not be "
                "assigned in order. Set the cache to 1: ALTER TABLE twofold_events ALTER COLUMN position SET CACHE 1."
            )

    async def lock(self, connection: AsyncConnection) -> None:
        """Take an advisory lock: two concurrent `CREATE TABLE IF NOT EXISTS` fail on PostgreSQL."""
        await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK}, 0)")

    async def tables(self, connection: AsyncConnection, names: Sequence[str]) -> Mapping[str, FoundTable]:
        """Read `pg_attribute` and the primary keys."""
        return found_tables(await connection.exec_driver_sql(_TABLES, (list(names),)))

    def triggers(self, table: Table) -> Sequence[tuple[str, str]]:
        """Return two triggers with their functions: one refuses changes, one takes the lock that every appender holds.

        The function of the generation is volatile, so it reads the latest committed state, also within a statement that
        has waited for the lock.
        """
        name = table.name
        refuse = "RAISE EXCEPTION 'events are never changed or deleted';"
        lock = f"PERFORM pg_advisory_xact_lock_shared({ADVISORY_LOCK}, TG_RELID::int); RETURN NULL;"
        generation = "RETURN (SELECT inline_generation FROM twofold_meta WHERE number = 1);"
        return [
            _function(INLINE_GENERATION, "bigint", generation),
            *_trigger(name, "unchanged", "UPDATE OR DELETE OR TRUNCATE", refuse),
            *_trigger(name, "appending", "INSERT", lock),
        ]

    async def missing_triggers(self, connection: AsyncConnection, table: Table) -> Sequence[str]:
        """Read `pg_trigger` for the triggers that fire in an ordinary session, and look for the functions."""
        wanted = [name for name, _ in self.triggers(table)]
        found = await connection.exec_driver_sql(
            "SELECT tgname::text FROM pg_trigger WHERE tgrelid = to_regclass($1) AND tgenabled IN ('O', 'A') "
            "UNION ALL SELECT name FROM unnest($2::text[]) AS name WHERE to_regprocedure(name) IS NOT NULL",
            (table.name, [name for name in wanted if name.endswith("()")]),
        )
        present = {name for (name,) in found}
        return [name for name in wanted if name not in present]

    async def indexes(self, connection: AsyncConnection, tables: Sequence[Table]) -> Collection[tuple[str, str]]:
        """Read `pg_index`."""
        found: Any = await connection.exec_driver_sql(
            "SELECT name, relname FROM unnest($1::text[]) AS name JOIN pg_index ON indrelid = to_regclass(name) "
            "JOIN pg_class ON oid = indexrelid",
            ([table.name for table in tables],),
        )
        return {(table, index) for table, index in found}


def _trigger(table: str, name: str, action: str, body: str) -> Sequence[tuple[str, str]]:
    called = f"{table}_{name}"
    before = f"BEFORE {action} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {called}()"
    return [
        _function(f"{called}()", "trigger", body),
        (called, f"CREATE OR REPLACE TRIGGER {called} {before}"),
    ]


def _function(call: str, returns: str, body: str) -> tuple[str, str]:
    return call, f"CREATE OR REPLACE FUNCTION {call} RETURNS {returns} LANGUAGE plpgsql AS $$ BEGIN {body} END $$"
