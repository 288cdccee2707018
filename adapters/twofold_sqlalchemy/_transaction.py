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
from ._log.strategy import LogEnd
from ._log.streams import Streams
from ._log.tags import TaggedEvents
from ._records.inbox import InboxStatements, SqlInbox
from ._records.inline import InlineStatements, SqlInline
from ._records.keys import KeyStatements, SqlKeys
from ._records.processes import ProcessStatements, SqlProcessWriter
from ._records.schedule import ScheduleStatements, SqlScheduleWriter
from ._records.tags import SqlTagRecords, TagRecordStatements
from ._schema.tables import Tables
from ._subscriptions.checkpoints import CheckpointStatements, SqlCheckpoints
from ._subscriptions.parked import ParkedStatements, SqlParkedWriter
from ._views.rows import TableRows
from ._views.shadows import SqlShadows
from ._views.table import ViewTable

A = TypeVar("A")
V = TypeVar("V", bound=View)


class State(Protocol):
    """The stored state of the aggregates of one type."""

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
        self.tagged = TaggedEvents(database, tables)
        self.log = strategy_of(database, tables, self.tagged)
        self.end = LogEnd(self.log.frontier)
        self.streams = Streams(database, tables)
        self.snapshots = SnapshotStatements(database, tables)
        self.storage_kinds = StorageKindStatements(database, tables)
        self.inline = InlineStatements(database, tables)
        self.keys = KeyStatements(database, tables)
        self.inbox = InboxStatements(database, tables)
        self.tags = TagRecordStatements(database, tables)
        self.schedule = ScheduleStatements(database, tables)
        self.processes = ProcessStatements(database, tables)
        self.checkpoints = CheckpointStatements(database, tables)
        self.parked = ParkedStatements(database, tables)


class SqlTransaction:
    """A `WriteTransaction`.

    Each call is sent immediately; `commit` or `rollback` ends it and releases the connection.
    """

    def __init__(
        self,
        transaction: OpenTransaction,
        prepared: Prepared,
        view_table: Callable[[type[View], bool], ViewTable[Any]],
        state_of: Callable[[type[object]], State],
    ) -> None:
        self._transaction = transaction
        self._prepared = prepared
        self._view_table = view_table
        self._state_of = state_of
        self._states: dict[type[object], StateStore[Any]] = {}

    @property
    def log(self) -> SqlLogWriter:
        """The event log."""
        prepared = self._prepared
        return SqlLogWriter(
            self._transaction, prepared.database, prepared.streams, prepared.log.appender, prepared.tagged, prepared.end
        )

    @property
    def snapshots(self) -> SqlSnapshots:
        """The snapshots of event-sourced aggregates."""
        return SqlSnapshots(self._transaction, self._prepared.snapshots)

    @property
    def storage_kinds(self) -> SqlStorageKinds:
        """The kind of storage that each aggregate type uses."""
        return SqlStorageKinds(self._transaction, self._prepared.storage_kinds)

    @property
    def inline(self) -> SqlInline:
        """The inline projections of the event log."""
        return SqlInline(self._transaction, self._prepared.inline)

    @property
    def keys(self) -> SqlKeys:
        """The idempotency keys of commands."""
        return SqlKeys(self._transaction, self._prepared.keys)

    @property
    def inbox(self) -> SqlInbox:
        """The messages that were received."""
        return SqlInbox(self._transaction, self._prepared.inbox)

    @property
    def tags(self) -> SqlTagRecords:
        """The tags of stored events, and which of them are complete."""
        return SqlTagRecords(self._transaction, self._prepared.tags)

    @property
    def schedule(self) -> SqlScheduleWriter:
        """The scheduled commands."""
        return SqlScheduleWriter(self._transaction, self._prepared.schedule)

    @property
    def processes(self) -> SqlProcessWriter:
        """The processes."""
        return SqlProcessWriter(self._transaction, self._prepared.processes)

    @property
    def checkpoints(self) -> SqlCheckpoints:
        """The checkpoints of subscriptions."""
        return SqlCheckpoints(self._transaction, self._prepared.checkpoints)

    @property
    def parked(self) -> SqlParkedWriter:
        """The events of subscriptions with a pending retry, and their parked events."""
        return SqlParkedWriter(self._transaction, self._prepared.parked)

    @property
    def shadows(self) -> SqlShadows:
        """The shadow rows of views, as a whole."""
        return SqlShadows(self._transaction, self._view_table)

    def rows(self, view: type[V], *, shadow: bool = False) -> RowWriter[V]:
        """Return the rows of a view."""
        return TableRows(
            self._prepared.database, cast("ViewTable[V]", self._view_table(view, shadow)), self._transaction
        )

    def state(self, aggregate_type: type[A]) -> StateStore[A]:
        """Return the stored state of an aggregate type.

        It is the same object each time, because it records the loaded versions.
        """
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
