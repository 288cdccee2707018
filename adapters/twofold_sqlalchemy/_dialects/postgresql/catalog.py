"""The catalog of PostgreSQL: version, sequence, triggers and indexes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from twofold.errors import ConfigurationError

_OLDEST: Final = 14

ADVISORY_LOCK: Final = 20_030_114
"""The first key of Twofold's advisory locks. The second key is the log's table, so that each schema has its own log."""


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

    def triggers(self, table: Table) -> Sequence[tuple[str, str]]:
        """Return two triggers with their functions: one refuses changes, one takes the lock that every appender holds."""
        name = table.name
        refuse = "RAISE EXCEPTION 'events are never changed or deleted';"
        lock = f"PERFORM pg_advisory_xact_lock_shared({ADVISORY_LOCK}, TG_RELID::int); RETURN NULL;"
        return [
            *_trigger(name, "unchanged", "UPDATE OR DELETE OR TRUNCATE", refuse),
            *_trigger(name, "appending", "INSERT", lock),
        ]

    async def missing_triggers(self, connection: AsyncConnection, table: Table) -> Sequence[str]:
        """Read `pg_trigger` for the triggers that fire in an ordinary session."""
        found = await connection.exec_driver_sql(
            "SELECT tgname FROM pg_trigger WHERE tgrelid = to_regclass($1) AND tgenabled IN ('O', 'A')", (table.name,)
        )
        present = {name for (name,) in found}
        return [name for name, _ in self.triggers(table) if not name.endswith("()") and name not in present]

    async def indexes(self, connection: AsyncConnection, table: Table) -> Sequence[str]:
        """Read `pg_index`."""
        found = await connection.exec_driver_sql(
            "SELECT relname FROM pg_index JOIN pg_class ON oid = indexrelid WHERE indrelid = to_regclass($1)",
            (table.name,),
        )
        return [name for (name,) in found]


def _trigger(table: str, name: str, action: str, body: str) -> Sequence[tuple[str, str]]:
    called, head = f"{table}_{name}", "RETURNS trigger LANGUAGE plpgsql AS"
    before = f"BEFORE {action} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {called}()"
    return [
        (f"{called}()", f"CREATE OR REPLACE FUNCTION {called}() {head} $$ BEGIN {body} END $$"),
        (called, f"CREATE OR REPLACE TRIGGER {called} {before}"),
    ]
