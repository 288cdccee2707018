"""The unit of work: everything that one command changes, committed together or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio

from .._definitions.aggregate import Aggregate
from .._definitions.envelope import Envelope
from .._definitions.message import Event
from .._encoding.message_json import event_name
from ..errors import (
    AggregateExists,
    CommitFailed,
    ConfigurationError,
    ReadOnlyUnitOfWork,
    TwofoldError,
    UnitOfWorkClosed,
    UnitOfWorkDoomed,
    UsedFromAnotherTask,
)
from ..ports.event_log import StoredEvent
from ..ports.transactions import WriteTransaction
from .changes import Callback, Changes, Step
from .storage import WriteSide
from .tracked import Tracked

T = TypeVar("T")


class UnitOfWork:
    """Everything that one command changes. A handler takes one as a parameter; the application commits it.

    The transaction begins at the first use that needs it. State, events and inline projections are written when the unit of
    work commits, events last. They are visible to nobody before, and never if it rolls back. A store error dooms the unit of
    work: every later use raises `UnitOfWorkDoomed`, so that half of it can never be committed. It belongs to the task that
    opened it.

    The end can fail in three ways:

    - A `before_commit` callback fails: everything is rolled back, and its error is raised.
    - The commit fails with `CommitFailed` or `TransientFailure`: nothing is visible, unless the text says that the outcome
      is unknown.
    - An `after_commit` callback fails: everything is committed, the other callbacks run, and `AfterCommitFailed` is raised.
    """

    __slots__ = (
        "_cause",
        "_closed",
        "_doom",
        "_owner",
        "_read_only",
        "_side",
        "_transaction",
        "changes",
    )

    def __init__(
        self, side: WriteSide, cause: Callable[[], Envelope], owner: object, *, read_only: bool = False
    ) -> None:
        self._side = side
        self._cause = cause
        self._read_only = read_only
        self._owner = owner
        self._transaction: WriteTransaction | None = None
        self._doom: BaseException | None = None
        self._closed = False
        self.changes = Changes()
        """What is written when it commits."""

    def record(self, event: Event, *, stream: str | None = None) -> None:
        """Append an event at commit, after the events of the aggregates.

        Args:
            event: the event.
            stream: the stream to append to; by default the stream with the name of the event.

        Raises:
            ConfigurationError: the event has no stable name.
        """
        self._check_writable()
        self.changes.recorded.append((stream or event_name(event), event))

    def write_last(self, step: Step) -> None:
        """Run a step that writes into the transaction at commit, after the events."""
        self._check_writable()
        self.changes.last_steps.append(step)

    def before_commit(self, callback: Callback) -> None:
        """Run an async callable before the commit, inside the unit of work. Its failure rolls everything back."""
        self._check()
        self.changes.before.append(callback)

    def after_commit(self, callback: Callback) -> None:
        """Run an async callable after the commit. It never runs if the process crashes in between."""
        self._check()
        self.changes.after.append(callback)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Undo the changes of the block if an error leaves it: events, aggregates and writes to the store.

        Aggregates that were loaded before get their attributes back; those loaded inside are forgotten.
        """
        transaction = await self.transaction()
        undo = self.changes.mark()
        try:
            async with transaction.savepoint():
                yield
        except BaseException:
            undo()
            raise

    async def transaction(self) -> WriteTransaction:
        """Return the transaction in the write store, begun at the first call.

        Raises:
            UnitOfWorkDoomed: an error broke the unit of work before.
            TransientFailure: the store is busy or unreachable.
        """
        self._check()
        if self._transaction is None:
            self._transaction = await self._guard(self._side.store.begin(read_only=self._read_only))
        return self._transaction

    async def load(self, aggregate_type: type[Aggregate], id: str) -> Tracked | None:
        """Return the aggregate with an id, loaded at the first call; None when there is none."""
        self._check()
        tracked = self.changes.tracked.get((aggregate_type, id))
        if tracked is None:
            storage = self._side.storages[aggregate_type]
            tracked = await self._guard(storage.load(await self.transaction(), aggregate_type, id))
            if tracked is not None:
                self.changes.tracked[aggregate_type, id] = tracked
        return None if tracked is None or tracked.removed else tracked

    def add(self, aggregate: Aggregate) -> None:
        """Save a new aggregate at commit."""
        self._check_writable()
        kind, found = type(aggregate), getattr(aggregate, "id", None)
        if found is None:
            raise ConfigurationError(
                f"cannot save {kind.__name__}: its id is not set. Annotate `id` in the class body, and set self.id before "
                f"it is added: in the method on its first event, or in __init__ when {kind.__name__} is made by that."
            )
        tracked = Tracked(aggregate, str(found), version=0)
        if (kind, tracked.id) in self.changes.tracked:
            raise AggregateExists(
                f"cannot add {tracked.stream}: this unit of work holds an aggregate of that id already."
            )
        self.changes.tracked[kind, tracked.id] = tracked

    def remove(self, aggregate: Aggregate) -> None:
        """Remove an aggregate at commit."""
        self._check_writable()
        key = type(aggregate), str(aggregate.id)
        tracked = self.changes.tracked.get(key)
        if tracked is None or tracked.aggregate is not aggregate:
            raise ConfigurationError(f"cannot remove {key[0].__name__} {key[1]}: load it with this repository first.")
        if tracked.version:
            tracked.removed = True
        else:
            del self.changes.tracked[key]

    async def commit(self) -> Sequence[StoredEvent]:
        """Write and commit everything; return the events as stored. The application calls this; handlers do not.

        Raises:
            ConcurrencyConflict: an aggregate was changed concurrently since it was loaded.
            AggregateExists: an added aggregate exists.
            CommitFailed, TransientFailure: the store refused or did not confirm.
        """
        self._check_usable()
        changes = self.changes
        for callback in changes.before:
            await callback()
        if changes.before:
            self._check_usable()
        transaction = self._transaction
        stored: Sequence[StoredEvent] = ()
        if transaction is not None or changes.tracked or changes.recorded or changes.last_steps:
            try:
                if transaction is None:
                    transaction = self._transaction = await self._side.store.begin(read_only=self._read_only)
                stored = await self._side.write(transaction, changes, self._cause)
                await _commit(transaction)
            except BaseException as failure:
                self._doom = failure
                raise
        self._closed = True
        return stored

    async def rollback(self) -> None:
        """Undo everything, even if the task is being cancelled."""
        if self._closed:
            return
        self._closed = True
        if self._transaction is not None:
            with anyio.CancelScope(shield=True):
                await self._transaction.rollback()

    async def _guard(self, step: Awaitable[T]) -> T:
        try:
            return await step
        except BaseException as failure:
            self._doom = failure
            raise

    def _check(self) -> None:
        self._check_usable()
        if self._side.running.get() is not self._owner:
            raise UsedFromAnotherTask(
                "cannot use this unit of work here: another task opened it. Await repository calls one after another "
                "instead of with gather() or a task group; for a time limit use anyio.fail_after(), not wait_for()."
            )

    def _check_usable(self) -> None:
        if self._doom is not None:
            raise UnitOfWorkDoomed(
                f"cannot use this unit of work: {type(self._doom).__name__} broke it before ({self._doom}). "
                "Let the error leave the handler; the retry_conflicts middleware repeats the handler on a fresh unit."
            ) from self._doom
        if self._closed:
            raise UnitOfWorkClosed(
                "cannot use this unit of work: it has ended. Use it only while its command is handled."
            )

    def _check_writable(self) -> None:
        self._check()
        if self._read_only:
            raise ReadOnlyUnitOfWork("cannot write here: a query changes nothing. Make it a command.")


async def _commit(transaction: WriteTransaction) -> None:
    """Commit. An error that the adapter does not know leaves the outcome unknown.

    Raises:
        CommitFailed: the store did not confirm.
        TwofoldError: the store refused.
    """
    try:
        await transaction.commit()
    except TwofoldError:
        raise
    except Exception as error:
        raise CommitFailed(
            f"the store did not confirm the commit ({type(error).__name__}: {error}). The outcome is unknown: read back "
            "what the command should have changed before you repeat it."
        ) from error
