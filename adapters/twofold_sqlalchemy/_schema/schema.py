"""Create the tables, and verify them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from uuid import uuid4

from sqlalchemy import Index, Table, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from twofold.errors import SchemaMissing

from .._connection.database import Database
from .._dialects.dialect import FoundTable
from .tables import SCHEMA, Tables


async def create(database: Database, tables: Tables, views: Sequence[Table]) -> None:
    """Create missing tables, indexes and triggers, and the identity of the event log, in one transaction.

    Raises:
        SchemaMissing: the tables have another schema version.
    """
    wanted, dialect = (*tables.all, *views), database.dialect
    transaction = await database.begin(limited=False)
    try:
        await transaction.use(dialect.catalog.lock, "create the schema")
        found = await transaction.use(lambda c: dialect.catalog.tables(c, _names(wanted)), "read the tables")
        await transaction.use(lambda c: _check_version(c, tables, found), "read the schema version")
        for table in wanted:
            if table.name not in found:
                await transaction.use(lambda c, t=table: _create(c, t), f"create the table {table.name}")  # type: ignore[misc]
        # A table whose columns differ is left unchanged.
        sound = [table for table in wanted if table.name in found and not _faults_of(table, found, database)]
        indexes = await transaction.use(lambda c: dialect.catalog.indexes(c, sound), "read the indexes")
        for index in _missing_indexes(sound, indexes):
            await transaction.use(lambda c, i=index: _create(c, i), f"create the index {index.name}")  # type: ignore[misc]
        missing = await transaction.use(
            lambda c: dialect.catalog.missing_triggers(c, tables.events), "read the triggers"
        )
        for name, statement in dialect.catalog.triggers(tables.events):
            if name in missing or name.removesuffix("()") in missing:  # a trigger, or its function
                await transaction.use(lambda c, sql=statement: c.exec_driver_sql(sql), f"create {name}")  # type: ignore[misc]
        if not (await transaction.execute(select(tables.meta.c.number), {}, "read the log's identity")).all():
            identity = {"number": 1, "log": uuid4().hex, "schema_version": SCHEMA}
            await transaction.execute(insert(tables.meta), identity, "write the log's identity")
        await transaction.commit()
    finally:
        await transaction.rollback()


async def _create(connection: AsyncConnection, item: Table | Index) -> None:
    """Create a table with its indexes, or one index."""
    await connection.run_sync(item.create, checkfirst=False)


def _missing_indexes(tables: Sequence[Table], found: Collection[tuple[str, str]]) -> list[Index]:
    """Return the indexes that tables lack. An index's name contains its columns."""
    return [
        index
        for table in tables
        for index in sorted(table.indexes, key=lambda index: str(index.name))
        if (table.name, index.name) not in found
    ]


async def verify(database: Database, tables: Tables, views: Sequence[Table]) -> None:
    """Check every table, column, index and trigger, and the identity of the event log.

    Raises:
        SchemaMissing: something is missing or differs. The text lists every difference.
        ConfigurationError: the database cannot be used.
    """
    wanted, dialect = (*tables.all, *views), database.dialect

    async def faults(connection: AsyncConnection) -> list[str]:
        await dialect.catalog.check(connection)
        present = await dialect.catalog.tables(connection, _names(wanted))
        await _check_version(connection, tables, present)
        found = [fault for table in wanted for fault in _faults_of(table, present, database)]
        if found:
            return found
        missing = _missing_indexes(wanted, await dialect.catalog.indexes(connection, wanted))
        found += [
            f"the table {index.table.name} lacks the index {index.name}" for index in missing if index.table is not None
        ]
        guards = await dialect.catalog.missing_triggers(connection, tables.events)
        found += [f"the {'function' if name.endswith('()') else 'trigger'} {name} is missing" for name in guards]
        if await _versions(connection, tables) != [SCHEMA]:
            found.append("twofold_meta is empty")
        return found

    found = await database.use(faults, "check the tables")
    if found:
        raise SchemaMissing(
            f"cannot open the store, {len(found)} fault(s) found: {'; '.join(found)}. Create missing tables and "
            "indexes with `twofold schema create` or `await app.create_schema()`, or with your migrations. Alter or drop a "
            "table that differs, or rename the view and its projection to rebuild them."
        )


async def _versions(connection: AsyncConnection, tables: Tables) -> Sequence[int]:
    return (await connection.execute(select(tables.meta.c.schema_version))).scalars().all()


async def _check_version(connection: AsyncConnection, tables: Tables, found: Mapping[str, FoundTable]) -> None:
    """Refuse tables of another schema version.

    Raises:
        SchemaMissing: the tables are older or newer. The text says which command to run.
    """
    version = next(iter(await _versions(connection, tables)), SCHEMA) if tables.meta.name in found else SCHEMA
    if version < SCHEMA:
        raise SchemaMissing(
            f"cannot open the store: its tables have schema version {version}, and this release of Twofold needs {SCHEMA}. "
            "Run `twofold schema upgrade`, or `await store.migrations.upgrade()`."
        )
    if version > SCHEMA:
        raise SchemaMissing(
            f"cannot open the store: its tables have schema version {version}, and this release of Twofold knows versions "
            f"up to {SCHEMA}. Install the release that has upgraded them, or a later one."
        )


def _names(tables: Sequence[Table]) -> Sequence[str]:
    return [table.name for table in tables]


def _faults_of(table: Table, all_found: Mapping[str, FoundTable], database: Database) -> list[str]:
    found = all_found.get(table.name)
    if found is None:
        return [f"the table {table.name} is missing"]
    faults = [
        f"the table {table.name} lacks the column {column.name}"
        for column in table.columns
        if column.name not in found.columns
    ]
    faults += [
        f"the column {table.name}.{column.name} should be {column.type.compile(database.engine.dialect)}, but is "
        f"{found.columns[column.name]}"
        for column in table.columns
        if column.name in found.columns
        and not database.dialect.columns.same_type(found.columns[column.name], column.type)
    ]
    wanted = [column.name for column in table.primary_key.columns]
    if not faults and found.key != wanted:
        faults.append(f"the primary key of {table.name} should be {', '.join(wanted)}, but is {', '.join(found.key)}")
    return faults
