"""A transaction and its parts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar, cast

from twofold import View
from twofold.ports import RowWriter, StateStore

from ._aggregates.snapshots import SnapshotStatements, SqlSnapshots
from ._aggregates.storage_kinds import SqlStorageKinds, StorageKindStatements
from ._connection.database import Database
from ._connection.open_transaction import OpenTransaction
from ._log.log_writer import SqlLogWriter
from ._log.registry import strategy_of
from ._log.streams import Streams
from ._records.inbox import InboxStatements, SqlInbox
from ._records.keys import KeyStatements, SqlKeys
from ._records.schedule import ScheduleStatements, SqlScheduleWriter
from ._schema.tables import Tables
from ._subscriptions.checkpoints import CheckpointStatements, SqlCheckpoints
from ._subscriptions.parked import ParkedStatements, SqlParkedWriter
from ._views.rows import TableRows
from ._views.shadows import SqlShadows
from ._views.table import ViewTable

A = TypeVar("A")
V = TypeVar("V", bound=View)


class State(Protocol):
    """How the aggregates of one type are stored."""

    def open(self, transaction: OpenTransaction) -> StateStore[Any]:
        """Return the states inside a transaction."""
        ...


class Prepared:
    """The prepared statements of all parts, once for each store.

    Args:
        database: the database.
        tables: Twofold's tables in it.
    """

    def __init__(self, database: Database, tables: Tables) -> None:
        self.database = database
        self.log = strategy_of(database, tables)
        self.streams = Streams(database, tables)
        self.snapshots = SnapshotStatements(database, tables)
        self.storage_kinds = StorageKindStatements(database, tables)
        self.keys = KeyStatements(database, tables)
        self.inbox = InboxStatements(database, tables)
        self.schedule = ScheduleStatements(database, tables)
        self.checkpoints = CheckpointStatements(database, tables)
        self.parked = ParkedStatements(database, tables)


class SqlTransaction:
    """A `WriteTransaction`. Each call is sent at once; `commit` or `rollback` ends it and releases the connection.

    Args:
        transaction: the open transaction.
        prepared: the statements of its parts.
        view_table: returns the table of a view's rows, or of its shadow rows.
        state_of: returns how an aggregate type is stored.
    """

    def __init__(
        self,
        transaction: OpenTransaction,
        prepared: Prepared,
        view_table: Callable[[type[View], bool], ViewTable[Any]],
        state_of: Callable[[type[object]], State],
    ) -> None:
        self._transaction = transaction
        self._database = prepared.database
        self._view_table = view_table
        self._state_of = state_of
        self._states: dict[type[object], StateStore[Any]] = {}
        self.log = SqlLogWriter(transaction, prepared.database, prepared.streams, prepared.log.appender)
        self.snapshots = SqlSnapshots(transaction, prepared.snapshots)
        self.storage_kinds = SqlStorageKinds(transaction, prepared.storage_kinds)
        self.keys = SqlKeys(transaction, prepared.keys)
        self.inbox = SqlInbox(transaction, prepared.inbox)
        self.schedule = SqlScheduleWriter(transaction, prepared.schedule)
        self.checkpoints = SqlCheckpoints(transaction, prepared.checkpoints)
        self.parked = SqlParkedWriter(transaction, prepared.parked)
        self.shadows = SqlShadows(transaction, view_table)

    def rows(self, view: type[V], *, shadow: bool = False) -> RowWriter[V]:
        """Return the rows of a view."""
        return TableRows(self._database, cast("ViewTable[V]", self._view_table(view, shadow)), self._transaction)

    def state(self, aggregate_type: type[A]) -> StateStore[A]:
        """Return the stored state of an aggregate type. It is the same object each time: it remembers what was loaded."""
        found = self._states.get(aggregate_type)
        if found is None:
            found = self._states[aggregate_type] = self._state_of(aggregate_type).open(self._transaction)
        return cast("StateStore[A]", found)

    def savepoint(self) -> AbstractAsyncContextManager[None]:
        """Open a savepoint."""
        return self._transaction.savepoint()

    async def commit(self) -> None:
        """Make everything durable and visible. A COMMIT that was sent is awaited, also when the task is cancelled."""
        await self._transaction.commit()

    async def rollback(self) -> None:
        """Undo everything and release the connection."""
        await self._transaction.rollback()
