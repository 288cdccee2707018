"""The tables of views, for the migrations of an application."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import MetaData

from twofold import View

from .._dialects.registry import dialect_of
from .table import ViewTable


def metadata(views: Sequence[type[View]], *, dialect: str) -> MetaData:
    """Return the tables of views, for a migration tool, such as Alembic's `target_metadata`.

    Twofold's own tables are not among them: `upgrade` creates and upgrades them.

    Args:
        views: the views that the application reads.
        dialect: SQLAlchemy's name of the database, such as "postgresql".

    Raises:
        ConfigurationError: the dialect is not supported.
        InvalidDefinition: a view cannot have a table.
    """
    own, tables = dialect_of(dialect), MetaData()
    for view in views:
        ViewTable(view, own.columns, own.sql, tables)
    return tables


def include_name(name: str | None, type_: str, parent_names: Mapping[str, Any]) -> bool:
    """Return whether Alembic's autogenerate compares something that it finds in the database.

    Pass it to `context.configure(include_name=include_name)`, so that autogenerate does not drop Twofold's own tables and
    the tables of shadow rows, which a rebuild writes.

    Args:
        name: the name of a table, an index or a column.
        type_: what has the name, such as "table".
        parent_names: the names of what contains it.
    """
    return type_ != "table" or name is None or not (name.startswith("twofold_") or name.endswith("__rebuild"))
