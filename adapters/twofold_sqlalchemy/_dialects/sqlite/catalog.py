"""The catalog of SQLite: version, journal mode, triggers and indexes."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from twofold.errors import ConfigurationError

from ..dialect import FoundTable
from ..found import found_tables

_OLDEST: Final = (3, 35, 0)
"""The first version of SQLite with RETURNING."""

_TABLES: Final = """
SELECT tables.name, columns.name, columns.type, columns.pk
FROM sqlite_master AS tables JOIN pragma_table_xinfo(tables.name) AS columns
WHERE tables.type IN ('table', 'view') AND tables.name IN ({})
"""


class SqliteCatalog:
    """The `Catalog` of SQLite."""

    async def check(self, connection: AsyncConnection) -> None:
        """Check SQLite's version and journal mode."""
        if sqlite3.sqlite_version_info < _OLDEST:
            raise ConfigurationError(f"cannot use SQLite {sqlite3.sqlite_version}: this adapter needs 3.35 or later.")
        journal = (await connection.exec_driver_sql("PRAGMA journal_mode")).scalar()
        if journal != "wal":
            raise ConfigurationError(
                f"cannot use this database: its journal mode is {journal!r} and did not change to 'wal'. "
                "Store the database on a local disk."
            )

    async def lock(self, connection: AsyncConnection) -> None:
        """Do nothing: the transaction holds the only write lock."""

    async def tables(self, connection: AsyncConnection, names: Sequence[str]) -> Mapping[str, FoundTable]:
        """Read `sqlite_master` and the columns of each table."""
        rows = await connection.exec_driver_sql(_TABLES.format(", ".join("?" * len(names))), tuple(names))
        return found_tables(rows)

    def triggers(self, table: Table) -> Sequence[tuple[str, str]]:
        """Return two triggers."""
        return [(f"{table.name}_no_{action.lower()}", _trigger(table.name, action)) for action in ("UPDATE", "DELETE")]

    async def missing_triggers(self, connection: AsyncConnection, table: Table) -> Sequence[str]:
        """Read `sqlite_master`."""
        found = await connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        present = {name for (name,) in found}
        return [name for name, _ in self.triggers(table) if name not in present]

    async def indexes(self, connection: AsyncConnection, tables: Sequence[Table]) -> Collection[tuple[str, str]]:
        """Read `sqlite_master`, which includes indexes of expressions."""
        found: Any = await connection.exec_driver_sql("SELECT tbl_name, name FROM sqlite_master WHERE type = 'index'")
        return {(table, index) for table, index in found}


def _trigger(table: str, action: str) -> str:
    trigger = f"CREATE TRIGGER IF NOT EXISTS {table}_no_{action.lower()} BEFORE {action} ON {table}"
    return f"{trigger} BEGIN SELECT RAISE(ABORT, 'events are never changed or deleted'); END"
