"""The unit of work: everything that one command changes, committed together or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeVar

import anyio

from .._background.calls import check_awaited
from .._background.current import handling
from .._definitions.aggregate import Aggregate, stream_of
from .._definitions.envelope import Envelope
from .._definitions.message import Event
from .._definitions.names import LONGEST_IDENTIFIER, LONGEST_STREAM, wrong_text
from .._encoding.message_json import event_name
from ..errors import AggregateExists, ConfigurationError
from ..ports.event_log import StoredEvent
from ..ports.transactions import WriteTransaction
from . import unusable
from .changes import Callback, Changes, Step
from .storage import WriteSide
from .tracked import Tracked, check_stream
from .transactions import unconfirmed

T = TypeVar("T")

_SHORT: Final = LONGEST_STREAM - LONGEST_IDENTIFIER - 1
"""Shorter ids fit into the name of a stream, whatever the name of the aggregate is."""


class UnitOfWork:
    """Everything that one command changes. A handler takes one as a parameter; the application commits it.

    The transaction begins with the first read or write. State, events and inline projections are written when the
    unit of work commits, events last. They are not visible before, and never if it rolls back. A store error dooms the
    unit of work: every later use raises `UnitOfWorkDoomed`, so that a partial commit is impossible. It belongs to the
    task that opened it.

    The end can fail in four ways:

    - A `before_commit` callback fails: everything is rolled back, and its error is raised.
    - The commit fails with `CommitFailed` or `TransientFailure`: nothing is visible.
    - The commit fails with `CommitUnknown`: everything is visible, or nothing. No middleware repeats the command.
    - An `after_commit` callback fails: everything is committed, the other callbacks run, and `AfterCommitFailed` is
    raised.
    """

    __slots__ = (
        "_cause",
        "_closed",
        "_doom",
        "_incomplete",
        "_owner",
        "_read_only",
        "_transaction",
        "changes",
        "run",
        "side",
    )

    def __init__(
        self,
        side: WriteSide,
        cause: Callable[[], Envelope],
        owner: object,
        changes: Changes,
        *,
        read_only: bool = False,
    ) -> None:
        self.side = side
        """The shared settings of all units of work."""
        self._cause = cause
        self._read_only = read_only
        self._owner = owner
        self._transaction: WriteTransaction | None = None
        self._doom: BaseException | None = None
        self._incomplete: BaseException | None = None
        self._closed = False
        self.changes = changes
        """The steps that write at the commit."""
        self.run = ""
        """The run of the store's server, as it was known before the transaction began."""

    def record(self, event: Event, *, stream: str | None = None) -> None:
        """Append an event at commit, after the events of the aggregates.

        Args:
            event: the event.
            stream: the stream to append to; by default the stream `message-<id>` of the message that is handled. Events
                of one stream are handled in order, and wait for a failing one.

        Raises:
            ConfigurationError: the event has no stable name.
            NotStorable: a store cannot store the name of the stream.
        """
        self._check_writable()
        if stream is not None:
            check_stream(stream, f"record {type(event).__name__}")
        event_name(event)
        scope = handling()
        if scope is not None and scope.parent is not None and scope.unit is self:
            self.changes.touched.append((None, event, scope))
        self.changes.recorded.append((stream, event))

    def write_last(self, step: Step) -> None:
        """Run a step that writes into the transaction at commit, after the events."""
        self._check_writable()
        self.changes.last_steps.append(step)

    def before_commit(self, callback: Callback) -> None:
        """Run an async callable before the commit, inside the unit of work. Its failure rolls everything back."""
        self._check()
        self.changes.before.append(callback)

    def after_commit(self, callback: Callback) -> None:
        """Run an async callable after the commit. It does not run after a crash or a cancellation in between."""
        self._check()
        self.changes.after.append(callback)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Undo the changes of the block if an error leaves it: events, aggregates and writes to the store.

        Aggregates that were loaded before get their attributes back. Aggregates that were loaded inside are dropped.
        """
        transaction = await self.transaction()
        undo, incomplete = self.changes.mark(), self._incomplete
        try:
            async with transaction.savepoint():
                yield
                self._check_whole()
        except BaseException:
            undo()
            self._incomplete = incomplete
            raise

    def mark_incomplete(self, failure: BaseException) -> None:
        """Refuse to commit the changes of a failed nested handler, until a savepoint around them is undone."""
        self._incomplete = failure

    @asynccontextmanager
    async def attempt(self) -> AsyncIterator[None]:
        """Undo the block, as `savepoint` does, if an error leaves it. It begins no transaction of its own."""
        if self._transaction is not None:
            async with self.savepoint():
                yield
            return
        undo, incomplete = self.changes.mark(), self._incomplete
        try:
            yield
        except BaseException:
            undo()
            self._incomplete = incomplete
            transaction, self._transaction, self._doom = self._transaction, None, None
            if transaction is not None:
                with anyio.CancelScope(shield=True):
                    await transaction.rollback()  # pyright: ignore[reportGeneralTypeIssues] -- the block sets the attribute
            raise

    async def transaction(self) -> WriteTransaction:
        """Return the transaction in the write store, begun at the first call.

        Raises:
            UnitOfWorkDoomed: an error broke the unit of work before.
            TransientFailure: the store is busy or unreachable.
        """
        self._check()
        if self._transaction is None:
            self._transaction = await self._guard(self._begin())
        return self._transaction

    @property
    def has_begun(self) -> bool:
        """Whether a transaction in the write store is open."""
        return self._transaction is not None and not self._closed

    async def load(self, aggregate_type: type[Aggregate], id: str) -> Tracked | None:
        """Return the aggregate with an id, loaded at the first call; None when there is none."""
        self._check()
        tracked = self.changes.tracked.get((aggregate_type, id))
        if tracked is None and wrong_text(stream_of(aggregate_type, id), LONGEST_STREAM):
            return None  # no store can have it
        if tracked is None:
            storage = self.side.storages[aggregate_type]
            tracked = await self._guard(storage.load(await self.transaction(), aggregate_type, id))
            if tracked is not None:
                self.changes.tracked[aggregate_type, id] = tracked
            else:
                self.changes.missing.add(stream_of(aggregate_type, id))
        return None if tracked is None or tracked.removed else tracked

    def add(self, aggregate: Aggregate) -> None:
        """Save a new aggregate at commit."""
        self._check_writable()
        kind, found = type(aggregate), getattr(aggregate, "id", None)
        if found is None:
            raise ConfigurationError(
                f"cannot save {kind.__name__}: its id is not set. Annotate `id` in the class body, and set self.id "
                f"before {kind.__name__} is added: in the method marked with @on for its first event, or in __init__."
            )
        tracked = Tracked(aggregate, str(found), version=0)
        plain = tracked.id.isascii() and tracked.id.isprintable() and len(tracked.id) < _SHORT
        if not plain:  # for most ids, checking the rules would take longer than the rest of this method
            check_stream(tracked.stream, f"add {kind.__name__} {found!r:.100}")
        if (kind, tracked.id) in self.changes.tracked:
            self.changes.untrack(aggregate)  # the caller gets the error
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
            self.changes.untrack(aggregate)

    async def commit(self) -> Sequence[StoredEvent]:
        """Write and commit everything; return the events as stored. The application calls this; handlers do not.

        Raises:
            ConcurrencyConflict: an aggregate was changed concurrently since it was loaded, or added since it was not found;
                or an event was appended that matches a boundary which was read.
            AggregateExists: an added aggregate exists.
            NotAdded: an aggregate recorded an event, and was neither added nor loaded.
            ConfigurationError: the class of an event was defined after the start, and its base class has handlers.
            NotRecorded: an event-sourced aggregate was changed without an event.
            CommitFailed, TransientFailure: the store refused. Nothing was written.
            CommitUnknown: the store did not confirm. The outcome is unknown.
        """
        self._check_usable()
        self._check_whole()
        changes = self.changes
        for callback in changes.before:
            await callback()
        if changes.before:
            self._check_usable()
            if (handler := handling()) is not None:
                check_awaited(handler.calls)
        transaction = self._transaction
        stored: Sequence[StoredEvent] = ()
        if transaction is not None or changes.touched or changes.tracked or changes.recorded or changes.last_steps:
            try:
                if transaction is None:
                    transaction = self._transaction = await self._begin()
                stored = await self.side.write(transaction, changes, self._cause)
                try:
                    await self.side.commit(transaction)
                except Exception as error:  # noqa: BLE001 -- raised again
                    unconfirmed(error)
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

    async def _begin(self) -> WriteTransaction:
        self.run = await self.side.store.run()
        return await self.side.store.begin(read_only=self._read_only)

    async def _guard(self, step: Awaitable[T]) -> T:
        """Await a step. Its failure dooms the unit of work."""
        try:
            return await step
        except BaseException as failure:
            self._doom = failure
            raise

    def _check(self) -> None:
        self._check_usable()
        if self.side.running.get() is not self._owner:
            raise unusable.in_another_task()

    def _check_usable(self) -> None:
        if self._doom is not None:
            raise unusable.doomed(self._doom) from self._doom
        if self._closed:
            raise unusable.closed()

    def _check_whole(self) -> None:
        if self._incomplete is not None:
            raise unusable.incomplete(self._incomplete) from self._incomplete

    def _check_writable(self) -> None:
        self._check()
        if self._read_only:
            raise unusable.read_only()
