"""Steps of revisions. Each step does nothing if an interrupted upgrade has already run it."""

from __future__ import annotations

from typing import Any

from alembic import op
from sqlalchemy import Column, Index, MetaData, Table, inspect
from sqlalchemy.schema import CreateIndex, CreateTable

from .._dialects.dialect import Columns
from .._dialects.registry import dialect_of
from .._schema.tables import own_tables


def columns() -> Columns:
    """Return the types of columns, and the options of tables, of the database that is upgraded."""
    return dialect_of(op.get_context().dialect.name).columns


def add_table(name: str, *items: Column[Any]) -> Table:
    """Create a table, and return it."""
    table = Table(name, MetaData(), *items, **columns().table_options())
    if op.get_context().as_sql or not inspect(op.get_bind()).has_table(name):
        op.execute(CreateTable(table))
    return table


def add_column(table: str, column: Column[Any]) -> None:
    """Add a column. It is nullable, or has a server default for the rows that exist."""
    if op.get_context().as_sql or column.name not in {
        each["name"] for each in inspect(op.get_bind()).get_columns(table)
    }:
        op.add_column(table, column)


def add_index(index: Index) -> None:
    """Create an index of a table, unless an administrator has created it before the upgrade."""
    context = op.get_context()
    if context.dialect.name not in ("mysql", "mariadb"):
        op.execute(CreateIndex(index, if_not_exists=True))
    elif index.table is not None:  # MySQL has no IF NOT EXISTS for indexes
        name = index.table.name
        if context.as_sql or index.name not in {each["name"] for each in inspect(op.get_bind()).get_indexes(name)}:
            op.execute(CreateIndex(index))


def replace_triggers() -> None:
    """Replace the triggers of the event log, and their functions, on a database that can replace them."""
    name = op.get_context().dialect.name
    for _, statement in dialect_of(name).catalog.triggers(own_tables(dialect_of(name), MetaData()).events):
        if statement.startswith("CREATE OR REPLACE"):
            op.execute(statement)
