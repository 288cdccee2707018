"""The two places where data lives: the write store and the read store. One adapter object may be both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

from .._definitions.view import View
from .event_log import EventLog, ExpectedVersion, NewEvent, StoredEvent
from .records import RecordStore, RecordTransaction
from .rows import RowWriter
from .schedule import ScheduleStore, ScheduleTransaction
from .snapshots import SnapshotTransaction
from .state_store import KeepingTransaction, StateStore
from .subscription_store import SubscriptionStore, SubscriptionTransaction

A = TypeVar("A")
V = TypeVar("V", bound=View)


class Transaction(Protocol):
    """One atomic step in a store. Used by one task, one call at a time; ended exactly once.

    An error of the store that broke the transaction is a `TransientFailure` or another `TwofoldError`, a refused write
    such as a conflict included; after it only `rollback` may be called, and anything else raises `UnitOfWorkDoomed`, so
    that no half is ever committed. A refusal inside a savepoint breaks only what is inside; see
    `WriteTransaction.savepoint`. `ReadOnlyUnitOfWork` breaks nothing. After the end everything but `rollback` raises
    `UnitOfWorkClosed`. Cancelling the task while a call runs leaves `rollback` possible; the opener calls it.
    """

    async def commit(self) -> None:
        """Make everything durable and visible at once.

        Raises:
            CommitFailed: the store refused, or did not confirm; nothing is visible unless its text says *unknown*.
            CheckpointMoved: a checkpoint or a lease was lost since this transaction looked at it; nothing is visible. A
                store that locks what it looks at has said so before.
        """
        ...

    async def rollback(self) -> None:
        """Undo everything and release the connection. Safe after any failure, and after a commit: then it does nothing."""
        ...


class ReadTransaction(Transaction, SubscriptionTransaction, Protocol):
    """One atomic step in a read store: rows of read models, checkpoints and parked events together."""

    def rows(self, view: type[V], *, shadow: bool = False) -> RowWriter[V]:
        """Return the rows of a view, as this transaction sees and changes them.

        Args:
            view: the view.
            shadow: its other rows, which nobody reads until `swap_shadows`; see `ReadStore.create_shadows`.
        """
        ...

    async def clear_shadows(self, views: Sequence[type[View]]) -> None:
        """Remove all shadow rows of these views."""
        ...

    async def swap_shadows(self, views: Sequence[type[View]]) -> None:
        """Replace the rows of these views by their shadow rows, of which none are left."""
        ...


class WriteTransaction(
    ReadTransaction, SnapshotTransaction, RecordTransaction, ScheduleTransaction, KeepingTransaction, Protocol
):
    """One atomic step in a write store: events, state, records, the schedule, and everything a `ReadTransaction` holds."""

    async def append(
        self, stream: str, events: Sequence[NewEvent], *, expected: ExpectedVersion
    ) -> Sequence[StoredEvent]:
        """Append events to a stream, atomic together with everything else in this transaction.

        Versions are numbered without gaps. With no events the expectation is checked all the same.

        Args:
            stream: the stream's name.
            events: the events, in order.
            expected: what the stream must be now; an exact version counts events, 0 means no stream.

        Returns:
            The events as stored, with version and position.

        Raises:
            ConcurrencyConflict: the stream is not as expected. It carries both versions.
            DuplicateEvent: an event id is in the log already.
        """
        ...

    def read(self, stream: str, *, after: int = 0) -> AsyncIterator[StoredEvent]:
        """Iterate over a stream's events in version order, those of this transaction included.

        In a transaction that only reads they are those of its one state; `WriteStore.log` may show later ones.
        """
        ...

    def state(self, aggregate_type: type[A]) -> StateStore[A]:
        """Return the tables of a state-stored aggregate type, inside this transaction."""
        ...

    def savepoint(self) -> AbstractAsyncContextManager[None]:
        """Open a savepoint: left by an error, everything since is undone and the transaction goes on.

        So it does when that error is a refusal of the store: `ConcurrencyConflict`, `DuplicateEvent`, `AggregateExists`,
        `CheckpointMoved`. A refusal that is swallowed inside is not forgotten: the savepoint is undone at its end all the
        same, and raises `UnitOfWorkDoomed`. A `TransientFailure` dooms the whole transaction, in a savepoint too.
        Savepoints may be nested, and opened in a transaction that only reads, where there is nothing to undo.
        """
        ...


class ReadStore(SubscriptionStore, Protocol):
    """Where read models live, with the checkpoints of the projections that fill them."""

    async def open(self, views: Sequence[type[View]]) -> None:
        """Check that the store can serve these views; called each time an application starts.

        Raises:
            SchemaMissing: a table is missing or differs; the text names it.
        """
        ...

    async def create_schema(self, views: Sequence[type[View]]) -> None:
        """Create what is missing for these views and for Twofold's own tables; leave alone what exists."""
        ...

    async def create_shadows(self, views: Sequence[type[View]]) -> None:
        """Create what is missing for a second set of rows of each view, in which a rebuild gathers."""
        ...

    async def close(self) -> None:
        """Release what the store made itself. What the user passed in stays open."""
        ...

    async def begin(self, *, read_only: bool = False) -> ReadTransaction:
        """Begin a transaction.

        Args:
            read_only: see one state of the store throughout, and refuse every write with `ReadOnlyUnitOfWork`, in the
                database itself where it can. A store that cannot keep a state for a reader shows one in each single read.

        Raises:
            TransientFailure: the store is busy or away; nothing was begun.
        """
        ...


class WriteStore(ReadStore, RecordStore, ScheduleStore, Protocol):
    """Where the write side lives: the event log and the aggregates' state. It can serve as a read store too."""

    @property
    def log(self) -> EventLog:
        """The event log."""
        ...

    def missing_state(self, aggregate_type: type[object]) -> str | None:
        """Return None when `state` can serve this type, or what the user has to do so that it can."""
        ...

    async def begin(self, *, read_only: bool = False) -> WriteTransaction:
        """Begin a transaction, as `ReadStore.begin` does."""
        ...
