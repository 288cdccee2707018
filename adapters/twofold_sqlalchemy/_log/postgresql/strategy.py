"""The strategy of PostgreSQL."""

from __future__ import annotations

from functools import partial

from ..._connection.database import Database
from ..._schema.tables import Tables
from ..strategy import LogStrategy
from ..tags import TaggedEvents
from .appender import ArrayInsert
from .frontier import GapFrontier
from .notifier import PostgreSQLNotifier


def strategy(database: Database, tables: Tables, tagged: TaggedEvents) -> LogStrategy:
    """Return the strategy for a database."""
    return LogStrategy(ArrayInsert(tagged), partial(GapFrontier, database), PostgreSQLNotifier(database))
