"""The tables of an application, for migrations."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import MetaData

from twofold import View

from .._dialects.registry import dialect_of
from .._schema.tables import own_tables
from .table import ViewTable


def metadata(views: Sequence[type[View]] = (), *, dialect: str = "sqlite") -> MetaData:
    """Return all tables that Twofold needs for some views, for migrations: Alembic's `target_metadata`.

    Two things are no tables and stay with `create_schema`, which also creates only what is missing: the triggers that
    keep the log unchanged, and the row with the log's identity. Call it once after the migrations.

    Args:
        views: the views that the application reads.
        dialect: SQLAlchemy's name of the database.

    Raises:
        ConfigurationError: there is no such dialect.
        InvalidDefinition: a view cannot have a table.
    """
    own, tables = dialect_of(dialect), MetaData()
    own_tables(own, tables)
    for view in views:
        ViewTable(view, own, tables)
    return tables
