"""The catalog of MariaDB and MySQL: version, character set, collations, triggers and indexes."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Table, inspect
from sqlalchemy.engine.reflection import ObjectKind
from sqlalchemy.ext.asyncio import AsyncConnection

from twofold.errors import ConfigurationError, TransientFailure

from ..dialect import FoundTable
from .columns import EXACT
from .driver import driver_of, run

_OLDEST: Final = {"MariaDB": (10, 6, 0), "MySQL": (8, 0, 19)}

_HOLDS_SCHEMA: Final = "twofold_schema"
"""The key in `connection.info` that marks a connection which holds the schema lock."""

_SCHEMA_LOCK: Final = "CONCAT('twofold_', MD5(DATABASE()))"
"""Named locks belong to the whole server, so the name depends on the database."""

_WRONG_TABLES: Final = """
SELECT table_name, 'does not use InnoDB' FROM information_schema.tables
WHERE table_schema = DATABASE() AND LEFT(table_name, 8) = 'twofold_' AND engine <> 'InnoDB'
UNION ALL
SELECT CONCAT(table_name, '.', column_name), CONCAT('has the collation ', collation_name) FROM information_schema.columns
WHERE table_schema = DATABASE() AND LEFT(table_name, 8) = 'twofold_' AND character_set_name = 'utf8mb4'
AND collation_name NOT IN ({collations})
"""


class MySQLCatalog:
    """The `Catalog` of MariaDB and MySQL."""

    async def check(self, connection: AsyncConnection) -> None:
        """Check the server's version and binary log, the connection's character set, and Twofold's tables."""
        await _check_version(connection)
        charset = driver_of(connection).character_set_name()
        if charset != "utf8mb4":
            raise ConfigurationError(
                f"cannot use this engine: its connections have the character set {charset}, which lacks characters. "
                "Remove it from the engine's URL; asyncmy uses utf8mb4 by default."
            )
        collations = ", ".join(f"'{name}'" for name in EXACT.values())
        wrong = await _rows(connection, _WRONG_TABLES.format(collations=collations))
        if wrong:
            raise ConfigurationError(
                f"cannot use this database: {'; '.join(f'{name} {fault}' for name, fault in wrong)}. The tables must use "
                f"InnoDB, and their texts the collation {' or '.join(EXACT.values())}."
            )
        log = dict(await _rows(connection, "SHOW VARIABLES WHERE variable_name IN ('log_bin', 'binlog_format')"))
        if log == {"log_bin": "ON", "binlog_format": "STATEMENT"}:
            raise ConfigurationError(
                "cannot use this server: its binary log has the format STATEMENT, which READ COMMITTED does not allow. Set "
                "binlog_format to MIXED or ROW."
            )

    async def lock(self, connection: AsyncConnection) -> None:
        """Take a named lock, because each CREATE commits. `commit` and `rollback` release the lock."""
        connection.info[_HOLDS_SCHEMA] = True
        ((got,),) = await _rows(connection, f"SELECT GET_LOCK({_SCHEMA_LOCK}, 60)")
        if not got:
            raise TransientFailure(
                "cannot create the schema: another process has been creating it for 60 s. Repeat create_schema()."
            )

    async def tables(self, connection: AsyncConnection, names: Sequence[str]) -> Mapping[str, FoundTable]:
        """Run SHOW CREATE TABLE for each table, which needs no other table to be opened."""
        return await connection.run_sync(_found, names)

    def triggers(self, table: Table) -> Sequence[tuple[str, str]]:
        """Return two triggers. TRUNCATE bypasses them; it needs the privilege to drop the table."""
        return [(f"{table.name}_no_{action.lower()}", _trigger(table.name, action)) for action in ("UPDATE", "DELETE")]

    async def missing_triggers(self, connection: AsyncConnection, table: Table) -> Sequence[str]:
        """Read `information_schema`. An account without the privilege TRIGGER sees no triggers.

        A condition on `trigger_schema` would make MariaDB open the table of this name in every database of the server.
        """
        found = await _rows(
            connection,
            "SELECT trigger_name FROM information_schema.triggers "
            "WHERE event_object_schema = DATABASE() AND event_object_table = %s",
            table.name,
        )
        present = {name for (name,) in found}
        return [name for name, _ in self.triggers(table) if name not in present]

    async def indexes(self, connection: AsyncConnection, tables: Sequence[Table]) -> Collection[tuple[str, str]]:
        """Read `information_schema`, once for each table: without its name, MariaDB would open all tables."""
        return {
            (table.name, name)
            for table in tables
            if table.indexes
            for (name,) in await _rows(
                connection,
                "SELECT DISTINCT index_name FROM information_schema.statistics "
                "WHERE table_schema = DATABASE() AND table_name = %s",
                table.name,
            )
        }


def _found(connection: Connection, names: Sequence[str]) -> dict[str, FoundTable]:
    inspector = inspect(connection)
    columns = inspector.get_multi_columns(kind=ObjectKind.ANY, filter_names=names)
    keys = inspector.get_multi_pk_constraint(kind=ObjectKind.ANY, filter_names=names)
    return {
        name: FoundTable(
            {column["name"]: column["type"].compile(connection.dialect) for column in each},
            keys[schema, name]["constrained_columns"],
        )
        for (schema, name), each in columns.items()
    }


async def release_schema_lock(connection: AsyncConnection) -> None:
    """Release the schema lock, if the connection holds it."""
    if connection.info.pop(_HOLDS_SCHEMA, False):
        await run(connection, f"DO RELEASE_LOCK({_SCHEMA_LOCK})")


async def _check_version(connection: AsyncConnection) -> None:
    ((version,),) = await _rows(connection, "SELECT VERSION()")
    product = "MariaDB" if "MariaDB" in version else "MySQL"
    # MariaDB's version ends with '-MariaDB'; a compatibility prefix, such as '5.5.5-', may precede it.
    found = re.search(r"(\d+)\.(\d+)\.(\d+)(?:-MariaDB|(?!.*MariaDB))", version)
    if found is None or tuple(map(int, found.groups())) < _OLDEST[product]:
        oldest = " or ".join(f"{name} {'.'.join(map(str, version))}" for name, version in _OLDEST.items())
        raise ConfigurationError(f"cannot use {product} {version}: this adapter needs {oldest}, or later.")


async def _rows(connection: AsyncConnection, text: str, *parameters: str) -> Sequence[Any]:
    rows: Sequence[Any] = await (await run(connection, text, parameters)).fetchall()
    return rows


def _trigger(table: str, action: str) -> str:
    trigger = f"CREATE TRIGGER {table}_no_{action.lower()} BEFORE {action} ON {table} FOR EACH ROW"
    return f"{trigger} SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'events are never changed or deleted'"
