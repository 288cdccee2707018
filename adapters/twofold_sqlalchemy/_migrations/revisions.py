"""Run the revisions that lead from the schema version of a database to the version of this release."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Dialect, MetaData, insert, inspect, select, update
from sqlalchemy.schema import CreateTable

from twofold.errors import ConfigurationError

from .._dialects.registry import dialect_of
from .._schema.tables import SCHEMA, Tables, own_tables
from .steps import add_index


def run_on(connection: Connection) -> Sequence[int]:
    """Upgrade the tables; see `upgrade`."""
    found = version_of(connection)
    with Operations.context(MigrationContext.configure(connection)) as operations:
        return _run(operations, found)


def sql(dialect: Dialect, since: int | None) -> str:
    """Return the statements that `upgrade` runs, to be run by an administrator.

    Args:
        dialect: SQLAlchemy's dialect of an engine that has been connected.
        since: the schema version of the database; None for an empty database.

    Raises:
        ConfigurationError: the tables have a newer version than this release.
    """
    buffer = StringIO()
    options = {"as_sql": True, "output_buffer": buffer, "literal_binds": True}
    with Operations.context(MigrationContext.configure(dialect=dialect, opts=options)) as operations:
        _run(operations, since)
    return buffer.getvalue()


def version_of(connection: Connection) -> int | None:
    """Return the schema version of a database; None if it has no tables of Twofold, or no complete set."""
    meta = _tables(connection.dialect.name).meta
    if not inspect(connection).has_table(meta.name):
        return None
    return connection.execute(select(meta.c.schema_version)).scalar()


def check_not_newer(found: int | None) -> None:
    """Refuse tables of a newer release.

    Raises:
        ConfigurationError: the tables have a newer version than this release.
    """
    if found is not None and found > SCHEMA:
        raise ConfigurationError(
            f"cannot upgrade the tables: they have schema version {found}, and this release of Twofold knows versions up to "
            f"{SCHEMA}. Install the release that has upgraded them, or a later one."
        )


def _run(operations: Operations, found: int | None) -> Sequence[int]:
    check_not_newer(found)
    if found is None:
        _create(operations)
        return [SCHEMA]
    reached = [revision for revision in _revisions() if _number(revision) > found]
    meta = _tables(operations.get_context().dialect.name).meta
    for revision in reached:
        revision.module.upgrade()
        operations.execute(update(meta).values(schema_version=_number(revision)))
    return [_number(revision) for revision in reached]


def _create(operations: Operations) -> None:
    """Create all tables of this release, and the identity of the event log, or what an interrupted upgrade has left out."""
    name = operations.get_context().dialect.name
    tables = _tables(name)
    present = [] if operations.get_context().as_sql else inspect(operations.get_bind()).get_table_names()
    for table in tables.all:
        if table.name not in present:
            operations.execute(CreateTable(table))
        for index in sorted(table.indexes, key=lambda each: str(each.name)):
            add_index(index)
    for trigger, statement in dialect_of(name).catalog.triggers(tables.events):
        if tables.events.name in present and statement.startswith(f"CREATE TRIGGER {trigger} "):
            operations.execute(f"DROP TRIGGER IF EXISTS {trigger}")  # MySQL has no IF NOT EXISTS for triggers
        operations.execute(statement)
    operations.execute(insert(tables.meta).values(number=1, log=uuid4().hex, schema_version=SCHEMA))


def _revisions() -> list[Any]:
    """Return Alembic's revisions, oldest first."""
    return list(reversed(list(ScriptDirectory(str(Path(__file__).parent)).walk_revisions())))


def _number(revision: Any) -> int:
    return int(revision.revision.removeprefix("twofold_"))


def _tables(dialect: str) -> Tables:
    return own_tables(dialect_of(dialect), MetaData())
