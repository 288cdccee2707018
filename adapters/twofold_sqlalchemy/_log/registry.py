"""The strategy for each database."""

from __future__ import annotations

from .._connection.database import Database
from .._schema.tables import Tables
from .strategy import LogStrategy
from .tags import TaggedEvents


def strategy_of(database: Database, tables: Tables, tagged: TaggedEvents) -> LogStrategy:
    """Return the strategy for a database."""
    # Each strategy's module imports the database's driver, which may be missing.
    match database.dialect.name:
        case "sqlite":
            from .sqlite import strategy
        case "postgresql":
            from .postgresql.strategy import strategy
        case _:
            from .mysql import strategy
    return strategy(database, tables, tagged)
