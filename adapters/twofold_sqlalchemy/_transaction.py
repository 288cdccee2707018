"""A transaction and its parts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar, cast

from twofold import View
from twofold.ports import RowWriter, StateStore

from ._aggregates.snapshots import SqlSnapshots
from ._aggregates.storage_kinds import SqlStorageKinds
from ._connection.database import Database
from ._connection.open_transaction import OpenTransaction
from ._log.log_writer import SqlLogWriter
from ._log.strategy import Appender, LogEnd
from ._prepared import Prepared
from ._records.inbox import SqlInbox
from ._records.inline import SqlInline
from ._records.keys import SqlKeys
from ._records.processes import SqlProcessWriter
from ._records.schedule import SqlScheduleWriter
from ._records.steps import SqlSteps
from ._records.tags import SqlTagRecords
from ._records.unique import SqlUnique
from ._subscriptions.checkpoints import SqlCheckpoints
from ._subscriptions.parked import SqlParkedWriter
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


class SqlTransaction:
    """A `WriteTransaction`.

    Each call is sent immediately; `commit` or `rollback` ends it and releases the connection.

    Args:
        transaction: the open transaction.
        database: the database.
        prepared: the tables and statements of the engine.
        appender: how the database appends events.
        end: the end of the log that readers can see.
        state_of: returns the stored state of an aggregate type.
    """

    def __init__(
        self,
        transaction: OpenTransaction,
        database: Database,
        prepared: Prepared,
        appender: Appender,
        end: LogEnd,
        state_of: Callable[[type[object]], State],
    ) -> None:
        self._transaction = transaction
        self._database = database
        self._prepared = prepared
        self._appender = appender
        self._end = end
        self._state_of = state_of
        self._states: dict[type[object], StateStore[Any]] = {}

    @property
    def log(self) -> SqlLogWriter:
        """The event log."""
        prepared = self._prepared
        return SqlLogWriter(
            self._transaction, self._database, prepared.streams, self._appender, prepared.tagged, self._end
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
    def unique(self) -> SqlUnique:
        """The unique values that owners have claimed."""
        return SqlUnique(self._transaction, self._prepared.unique)

    @property
    def steps(self) -> SqlSteps:
        """The outcomes of durable steps."""
        return SqlSteps(self._transaction, self._prepared.steps)

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
        return SqlShadows(self._transaction, self._prepared.view_table)

    def rows(self, view: type[V], *, shadow: bool = False) -> RowWriter[V]:
        """Return the rows of a view."""
        found = cast("ViewTable[V]", self._prepared.view_table(view, shadow))
        return TableRows(self._prepared.compiler, found, self._transaction)

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
