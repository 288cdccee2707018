"""Transactions: the atomic steps in which a store changes. Each part of a transaction is a port of its own."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

from .._definitions.view import View
from .checkpoints import CheckpointWriter
from .idempotency_keys import IdempotencyKeys
from .inbox import Inbox
from .inline_projections import InlineProjections
from .log_writer import LogWriter
from .parked import ParkedEventWriter
from .processes import ProcessWriter
from .rows import RowWriter
from .schedule import ScheduleWriter
from .shadows import ShadowRows
from .snapshots import Snapshots
from .state_store import StateStore
from .step_results import StepResults
from .storage_kinds import StorageKinds
from .tags import TagRecords
from .unique_values import UniqueValues

A = TypeVar("A")
V = TypeVar("V", bound=View)


class Transaction(Protocol):
    """One atomic step in a store. One task uses it, with one call at a time, and ends it exactly once.

    Everything that its parts write is committed together or not at all. A store error that broke the transaction is a
    `TransientFailure` or another `TwofoldError`, including refused writes such as conflicts. After such an error only
    `rollback` may be called; every other call raises `UnitOfWorkDoomed`, so that half of a transaction is never committed.
    An error inside a savepoint breaks only the savepoint; see `WriteTransaction.savepoint`. `ReadOnlyUnitOfWork` breaks
    nothing. After the end every call except `rollback` raises `UnitOfWorkClosed`. If the task is cancelled during a call,
    `rollback` is still possible; the code that began the transaction calls it.
    """

    async def commit(self) -> None:
        """Make all changes durable and visible in one step.

        After a failure that is not a response of the store itself, the outcome is unknown. Examples are a timeout of
        the client, a lost connection, and an unreadable response. If the task is cancelled after the commit was sent,
        the commit is still awaited.

        Raises:
            CommitFailed: the store refused. Nothing is visible.
            TransientFailure: the store refused. Nothing is visible, and repeating the transaction may succeed.
            CommitUnknown: the store did not confirm. Everything is visible, or nothing, perhaps later.
            CheckpointMoved: a checkpoint or a lease was lost since this transaction read it; nothing is visible. A
                store that locks checkpoints raises it earlier.
        """
        ...

    async def rollback(self) -> None:
        """Undo everything and release the connection. Safe after any failure; after a commit it does nothing."""
        ...


class ReadTransaction(Transaction, Protocol):
    """One atomic step in a read store: rows of read models, checkpoints and parked events together."""

    @property
    def checkpoints(self) -> CheckpointWriter:
        """The checkpoints of subscriptions."""
        ...

    @property
    def parked(self) -> ParkedEventWriter:
        """The events of subscriptions with a pending retry, and their parked events."""
        ...

    @property
    def shadows(self) -> ShadowRows:
        """The shadow rows of views, as a whole."""
        ...

    def rows(self, view: type[V], *, shadow: bool = False) -> RowWriter[V]:
        """Return the rows of a view, as this transaction reads and changes them.

        Args:
            view: the view.
            shadow: return its shadow rows, which queries do not read until `shadows.swap`; see `ReadStore.create_shadows`.
        """
        ...


class WriteTransaction(ReadTransaction, Protocol):
    """One atomic step in a write store: events, state, and everything else that is committed with them."""

    @property
    def log(self) -> LogWriter:
        """The event log."""
        ...

    @property
    def tags(self) -> TagRecords:
        """The tags of stored events, and which of them are complete."""
        ...

    @property
    def snapshots(self) -> Snapshots:
        """The snapshots of event-sourced aggregates."""
        ...

    @property
    def storage_kinds(self) -> StorageKinds:
        """The kind of storage that each aggregate type uses."""
        ...

    @property
    def inline(self) -> InlineProjections:
        """The inline projections of the event log."""
        ...

    @property
    def keys(self) -> IdempotencyKeys:
        """The idempotency keys of commands."""
        ...

    @property
    def inbox(self) -> Inbox:
        """The messages that were received."""
        ...

    @property
    def schedule(self) -> ScheduleWriter:
        """The scheduled commands."""
        ...

    @property
    def unique(self) -> UniqueValues:
        """The unique values that owners have claimed."""
        ...

    @property
    def steps(self) -> StepResults:
        """The outcomes of durable steps."""
        ...

    @property
    def processes(self) -> ProcessWriter:
        """The processes."""
        ...

    def state(self, aggregate_type: type[A]) -> StateStore[A]:
        """Return the stored state of an aggregate type, inside this transaction."""
        ...

    def savepoint(self) -> AbstractAsyncContextManager[None]:
        """Open a savepoint. An error that leaves it undoes everything since, and the transaction continues.

        The transaction also continues when that error is a refusal of the store: `ConcurrencyConflict`, `DuplicateEvent`,
        `AggregateExists`, `CheckpointMoved`. If the block catches such a refusal, the savepoint is still undone at its end
        and raises `UnitOfWorkDoomed`. A `TransientFailure` dooms the whole transaction, also inside a savepoint. Savepoints
        may be nested, and opened in a read-only transaction, where there is nothing to undo.
        """
        ...
