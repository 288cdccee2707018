"""Create the tables, and verify that they are there."""

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
    """Create the tables and indexes that are missing, the guards of the log and its identity, in one transaction."""
    link = await database.begin()
    try:
        await link.use(database.dialect.catalog.lock, "create the schema")
        for table in (*tables.all, *views):
            await link.use(lambda c, t=table: _create(c, database.dialect, t), f"create the table {table.name}")  # type: ignore[misc]
        missing = await link.use(
            lambda c: database.dialect.catalog.missing_triggers(c, tables.events), "look for the triggers"
        )
        for name, statement in database.dialect.catalog.triggers(tables.events):
            if name.removesuffix("()") in missing:  # a trigger, or the function that it calls
                await link.use(lambda c, sql=statement: c.exec_driver_sql(sql), f"create {name}")  # type: ignore[misc]
        if not (await link.execute(select(tables.meta.c.number), {}, "look for the log's identity")).all():
            identity = {"number": 1, "log": uuid4().hex, "schema_version": SCHEMA}
            await link.execute(insert(tables.meta), identity, "write the log's identity")
        await link.commit()
    finally:
        await link.rollback()


async def _create(connection: AsyncConnection, dialect: Dialect, table: Table) -> None:
    """Create a table, or the indexes that it has not; one that differs otherwise is left alone."""
    await connection.run_sync(table.create, checkfirst=True)
    missing = _missing_indexes(table, await dialect.catalog.indexes(connection, table))
    if missing and not await connection.run_sync(_faults_of, table, dialect):
        for index in missing:
            await connection.run_sync(index.create)


def _missing_indexes(table: Table, found: Collection[str]) -> list[Index]:
    """Return the indexes that a table should have and has not; their names say of which columns they are."""
    return sorted((index for index in table.indexes if index.name not in found), key=lambda index: str(index.name))


async def verify(database: Database, tables: Tables, views: Sequence[Table]) -> None:
    """Look for every table, column, index, guard and the identity.

    Raises:
        SchemaMissing: something is missing or differs; the text names all of it.
        ConfigurationError: the database cannot serve.
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
            found.append(f"twofold_meta should hold schema version {SCHEMA}, and it holds {list(versions)}")
        return found

    found = await database.look(faults, "look at the tables")
    if found:
        raise SchemaMissing(
            f"cannot open the store, {len(found)} fault(s) found: {'; '.join(found)}. Create missing tables and "
            "indexes with `await app.create_schema()`, or with your migrations. A table that is there and differs is "
            "altered or dropped by you; or give the view and its projection new names, to build them anew."
        )


def _faults_of(connection: Connection, table: Table, dialect: Dialect) -> list[str]:
    looking = inspect(connection)
    if not looking.has_table(table.name):
        return [f"the table {table.name} is missing"]
    found = {column["name"]: column for column in looking.get_columns(table.name)}
    faults = [
        f"the table {table.name} lacks the column {column.name}" for column in table.columns if column.name not in found
    ]
    faults += [
        f"the column {table.name}.{column.name} should be {column.type.compile(connection.dialect)}, and it is "
        f"{found[column.name]['type']}"
        for column in table.columns
        if column.name in found and not dialect.columns.same_type(found[column.name]["type"], column.type)
    ]
    key = looking.get_pk_constraint(table.name)["constrained_columns"]
    wanted = [column.name for column in table.primary_key.columns]
    if not faults and key != wanted:
        faults.append(f"the primary key of {table.name} should be {', '.join(wanted)}, and it is {', '.join(key)}")
    return faults
