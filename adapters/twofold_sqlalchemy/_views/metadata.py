"""The tables of an application, for migrations."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import MetaData

from twofold import View

from .._dialects.registry import dialect_of
from .._schema.tables import own_tables
from .table import ViewTable


def metadata(views: Sequence[type[View]] = (), *, dialect: str = "sqlite") -> MetaData:
    """Return all tables that Twofold needs for some views, for migrations, such as Alembic's `target_metadata`.

    Migrations do not create the triggers that keep the event log append-only, and the row with the log's identity.
    `create_schema` creates both, and skips existing tables. Call it once after the migrations.

    Args:
        views: the views that the application reads.
        dialect: SQLAlchemy's name of the database, such as "postgresql".

    Raises:
        ConfigurationError: the dialect is not supported.
        InvalidDefinition: a view cannot have a table.
    """
    own, tables = dialect_of(dialect), MetaData()
    own_tables(own, tables)
    for view in views:
        ViewTable(view, own, tables)
    return tables
