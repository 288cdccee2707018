"""The tables of one engine, and the prepared statements on them."""

from __future__ import annotations

from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import MetaData
from sqlalchemy.engine import Engine
from sqlalchemy.ext.asyncio import AsyncEngine

from twofold import View

from ._aggregates.json_state import StateStatements
from ._aggregates.snapshots import SnapshotStatements
from ._aggregates.storage_kinds import StorageKindStatements
from ._connection.compiler import Compiler
from ._dialects.dialect import Dialect
from ._log.streams import Streams
from ._log.tags import TaggedEvents
from ._records.inbox import InboxStatements
from ._records.inline import InlineStatements
from ._records.keys import KeyStatements
from ._records.processes import ProcessStatements
from ._records.retention import RetentionStatements
from ._records.schedule import ScheduleStatements
from ._records.steps import StepStatements
from ._records.tags import TagRecordStatements
from ._records.unique import UniqueStatements
from ._schema.tables import own_tables
from ._subscriptions.checkpoints import CheckpointStatements
from ._subscriptions.parked import ParkedStatements
from ._subscriptions.subscription_statements import SubscriptionStatements
from ._views.table import ViewTable


class Prepared:
    """Tables and prepared statements. The stores of an engine share them: to create them takes milliseconds.

    Args:
        engine: the engine.
        dialect: the dialect of the engine's first store.
    """

    def __init__(self, engine: AsyncEngine, dialect: Dialect) -> None:
        self.compiler = compiler = Compiler(engine, dialect)
        self.tables = tables = own_tables(dialect, MetaData())
        self.tagged = TaggedEvents(compiler, tables)
        self.streams = Streams(compiler, tables)
        self.snapshots = SnapshotStatements(compiler, tables)
        self.storage_kinds = StorageKindStatements(compiler, tables)
        self.state = StateStatements(compiler, tables)
        self.inline = InlineStatements(compiler, tables)
        self.keys = KeyStatements(compiler, tables)
        self.old_keys = RetentionStatements(compiler, tables.keys)
        self.inbox = InboxStatements(compiler, tables)
        self.old_messages = RetentionStatements(compiler, tables.inbox)
        self.tags = TagRecordStatements(compiler, tables)
        self.schedule = ScheduleStatements(compiler, tables)
        self.unique = UniqueStatements(compiler, tables)
        self.steps = StepStatements(compiler, tables)
        self.processes = ProcessStatements(compiler, tables)
        self.subscriptions = SubscriptionStatements(compiler, tables)
        self.checkpoints = CheckpointStatements(compiler, tables)
        self.parked = ParkedStatements(compiler, tables)
        self._views: dict[tuple[type[View], bool], ViewTable[Any]] = {}

    def view_table(self, view: type[View], shadow: bool = False) -> ViewTable[Any]:
        """Return the table of a view's rows, or of its shadow rows."""
        found = self._views.get((view, shadow))
        if found is None:
            found = self._views[view, shadow] = ViewTable(
                view, self.compiler.columns, self.compiler.sql, MetaData(), shadow=shadow
            )
        return found


_PREPARED: Final[WeakKeyDictionary[Engine, Prepared]] = WeakKeyDictionary()


def prepared_of(engine: AsyncEngine, dialect: Dialect) -> Prepared:
    """Return the tables and statements of an engine."""
    found = _PREPARED.get(engine.sync_engine)
    if found is None:
        found = _PREPARED[engine.sync_engine] = Prepared(engine, dialect)
    return found
