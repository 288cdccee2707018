"""Twofold on SQL databases, through SQLAlchemy: SQLite, PostgreSQL, MariaDB and MySQL.

`SqlAlchemy` is the store. `TableMapping` stores an aggregate in your own tables. `ExactDecimal` and `UtcDateTime` are
column types for these tables. For migrations with Alembic: `upgrade` upgrades Twofold's own tables, `metadata` returns the
tables of views, and `include_name` leaves out what does not belong to them.
"""

from twofold.errors import MissingDependency

try:
    import sqlalchemy.ext.asyncio as _sqlalchemy  # noqa: F401
except ImportError as _error:
    raise MissingDependency("pip install 'twofold[sqlite]'") from _error

from ._aggregates.column_types import ExactDecimal, UtcDateTime
from ._aggregates.mapping import AggregateRows, TableMapping
from ._migrations.upgrade import upgrade
from ._store import SqlAlchemy
from ._views.metadata import include_name, metadata

__all__ = [
    "AggregateRows",
    "ExactDecimal",
    "SqlAlchemy",
    "TableMapping",
    "UtcDateTime",
    "include_name",
    "metadata",
    "upgrade",
]
