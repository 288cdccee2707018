"""Create the tables, and verify them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import uuid4

from sqlalchemy import Connection, Index, Table, insert, inspect, select
from sqlalchemy.ext.asyncio import AsyncConnection

from twofold.errors import SchemaMissing

from .._connection.database import Database
from .._dialects.dialect import Dialect
from .tables import SCHEMA, Tables


async def create(database: Database, tables: Tables, views: Sequence[Table]) -> None:
    """Create missing tables, indexes and triggers, and the identity of the event log, in one transaction."""
    transaction = await database.begin()
    try:
        await transaction.use(database.dialect.catalog.lock, "create the schema")
        for table in (*tables.all, *views):
            await transaction.use(lambda c, t=table: _create(c, database.dialect, t), f"create the table {table.name}")  # type: ignore[misc]
        missing = await transaction.use(
            lambda c: database.dialect.catalog.missing_triggers(c, tables.events), "read the triggers"
        )
        for name, statement in database.dialect.catalog.triggers(tables.events):
            if name.removesuffix("()") in missing:  # a trigger, or its function
                await transaction.use(lambda c, sql=statement: c.exec_driver_sql(sql), f"create {name}")  # type: ignore[misc]
        if not (await transaction.execute(select(tables.meta.c.number), {}, "read the log's identity")).all():
            identity = {"number": 1, "log": uuid4().hex, "schema_version": SCHEMA}
            await transaction.execute(insert(tables.meta), identity, "write the log's identity")
        await transaction.commit()
    finally:
        await transaction.rollback()


async def _create(connection: AsyncConnection, dialect: Dialect, table: Table) -> None:
    """Create a table, or its missing indexes. A table whose columns differ is left unchanged."""
    await connection.run_sync(table.create, checkfirst=True)
    missing = _missing_indexes(table, await dialect.catalog.indexes(connection, table))
    if missing and not await connection.run_sync(_faults_of, table, dialect):
        for index in missing:
            await connection.run_sync(index.create)


def _missing_indexes(table: Table, found: Collection[str]) -> list[Index]:
    """Return the indexes that a table lacks. An index's name contains its columns."""
    return sorted((index for index in table.indexes if index.name not in found), key=lambda index: str(index.name))


async def verify(database: Database, tables: Tables, views: Sequence[Table]) -> None:
    """Check every table, column, index and trigger, and the identity of the event log.

    Raises:
        SchemaMissing: something is missing or differs. The text lists every difference.
        ConfigurationError: the database cannot be used.
    """

    async def faults(connection: AsyncConnection) -> list[str]:
        await database.dialect.catalog.check(connection)
        found = [
            fault
            for table in (*tables.all, *views)
            for fault in await connection.run_sync(_faults_of, table, database.dialect)
        ]
        if found:
            return found
        for table in (*tables.all, *views):
            missing = _missing_indexes(table, await database.dialect.catalog.indexes(connection, table))
            found += [f"the table {table.name} lacks the index {index.name}" for index in missing]
        guards = await database.dialect.catalog.missing_triggers(connection, tables.events)
        found += [f"the trigger {name} is missing" for name in guards]
        versions = (await connection.execute(select(tables.meta.c.schema_version))).scalars().all()
        if versions != [SCHEMA]:
            found.append(f"twofold_meta should contain schema version {SCHEMA}, but contains {list(versions)}")
        return found

    found = await database.use(faults, "check the tables")
    if found:
        raise SchemaMissing(
            f"cannot open the store, {len(found)} fault(s) found: {'; '.join(found)}. Create missing tables and "
            "indexes with `await app.create_schema()`, or with your migrations. Alter or drop a table that differs, or "
            "rename the view and its projection to rebuild them."
        )


def _faults_of(connection: Connection, table: Table, dialect: Dialect) -> list[str]:
    inspector = inspect(connection)
    if not inspector.has_table(table.name):
        return [f"the table {table.name} is missing"]
    found = {column["name"]: column for column in inspector.get_columns(table.name)}
    faults = [
        f"the table {table.name} lacks the column {column.name}" for column in table.columns if column.name not in found
    ]
    faults += [
        f"the column {table.name}.{column.name} should be {column.type.compile(connection.dialect)}, but is "
        f"{found[column.name]['type']}"
        for column in table.columns
        if column.name in found and not dialect.columns.same_type(found[column.name]["type"], column.type)
    ]
    key = inspector.get_pk_constraint(table.name)["constrained_columns"]
    wanted = [column.name for column in table.primary_key.columns]
    if not faults and key != wanted:
        faults.append(f"the primary key of {table.name} should be {', '.join(wanted)}, but is {', '.join(key)}")
    return faults
