"""The unit of work: everything that one command changes, committed together or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio

from .._background.tasks import current_task
from .._definitions.aggregate import Aggregate
from .._definitions.envelope import Envelope
from .._definitions.message import Event
from ..errors import (
    AfterCommitFailed,
    AggregateExists,
    ConfigurationError,
    ReadOnlyUnitOfWork,
    UnitOfWorkClosed,
    UnitOfWorkDoomed,
    UsedFromAnotherTask,
)
from ..ports.event_log import Expected, StoredEvent
from ..ports.transactions import WriteTransaction
from .storage import Tracked, restore, snapshot
from .write_side import WriteSide, commit, event_name

T = TypeVar("T")

Callback = Callable[[], Awaitable[None]]
"""What runs before or after the commit."""

Step = Callable[[WriteTransaction, Sequence[StoredEvent]], Awaitable[None]]
"""Writes something more into the transaction of a unit, after its events, which it is given."""


class UnitOfWork:
    """Everything that one command changes. A handler gets one as a parameter; the application commits it.

    Its transaction begins at the first use that needs it. State, events and inline projections are written when it
    commits, events last; they are visible to nobody before, and to nobody ever when it rolls back. An error of the
    store dooms the unit: every later use raises `UnitOfWorkDoomed`, so that half of a unit can never be committed. It
    belongs to the task that opened it.

    Three things can fail at the end, with three outcomes. A `before_commit` callback: everything is rolled back and its
    error is raised. The commit itself: `CommitFailed` or `TransientFailure`, nothing is visible unless the text says
    that the outcome is unknown. An `after_commit` callback: everything is committed, the other callbacks run, and
    `AfterCommitFailed` is raised from the failure.
    """

    __slots__ = (
        "_after",
        "_before",
        "_cause",
        "_closed",
        "_doom",
        "_last_steps",
        "_owner",
        "_read_only",
        "_recorded",
        "_side",
        "_tracked",
        "_transaction",
    )

    def __init__(
        self, side: WriteSide, cause: Callable[[], Envelope], owner: object, *, read_only: bool = False
    ) -> None:
        self._side = side
        self._cause = cause
        self._read_only = read_only
        self._owner = owner
        self._transaction: WriteTransaction | None = None
        self._tracked: dict[tuple[type[Aggregate], str], Tracked] = {}
        self._recorded: list[tuple[str, Event]] = []
        self._last_steps: list[Step] = []
        self._before: list[Callback] = []
        self._after: list[Callback] = []
        self._doom: BaseException | None = None
        self._closed = False

    def record(self, event: Event, *, stream: str | None = None) -> None:
        """Append an event at commit, after the events of the aggregates.

        Args:
            event: the event.
            stream: the stream it goes to; by default the one called like the event.

        Raises:
            ConfigurationError: the event has no stable name.
        """
        self._check_writable()
        self._recorded.append((stream or event_name(event), event))

    def write_last(self, step: Step) -> None:
        """Write something more at commit, after the events."""
        self._check_writable()
        self._last_steps.append(step)

    def before_commit(self, callback: Callback) -> None:
        """Run an async callable before the commit, inside the unit. Its failure rolls everything back."""
        self._check()
        self._before.append(callback)

    def after_commit(self, callback: Callback) -> None:
        """Run an async callable after the commit. It is not run at all when the process dies in between."""
        self._check()
        self._after.append(callback)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Undo what was done inside when it is left by an error: events, aggregates and writes to the store.

        Aggregates loaded before get back the attributes that they had; those loaded inside are forgotten.
        """
        transaction = await self.transaction()
        known = {key: (tracked, tracked.removed, snapshot(tracked.aggregate)) for key, tracked in self._tracked.items()}
        recorded, last = len(self._recorded), len(self._last_steps)
        before, after = len(self._before), len(self._after)
        try:
            async with transaction.savepoint():
                yield
        except BaseException:
            self._tracked = {key: tracked for key, (tracked, _, _) in known.items()}
            for tracked, removed, attributes in known.values():
                tracked.removed = removed
                restore(tracked.aggregate, attributes)
            del self._recorded[recorded:], self._last_steps[last:], self._before[before:], self._after[after:]
            raise

    async def transaction(self) -> WriteTransaction:
        """Return the transaction in the write store, begun now if it was not.

        Raises:
            UnitOfWorkDoomed: an error broke the unit before.
            TransientFailure: the store is busy or away.
        """
        self._check()
        if self._transaction is None:
            self._transaction = await self._guard(self._side.store.begin(read_only=self._read_only))
        return self._transaction

    async def load(self, aggregate_type: type[Aggregate], id: str) -> Tracked | None:
        """Return the aggregate that this unit knows by this id, loading it the first time; None when there is none."""
        self._check()
        tracked = self._tracked.get((aggregate_type, id))
        if tracked is None:
            storage = self._side.storages[aggregate_type]
            tracked = await self._guard(storage.load(await self.transaction(), aggregate_type, id))
            if tracked is not None:
                self._tracked[aggregate_type, id] = tracked
        return None if tracked is None or tracked.removed else tracked

    def add(self, aggregate: Aggregate) -> None:
        """Save a new aggregate at commit."""
        self._check_writable()
        tracked = Tracked(aggregate, version=0)
        key = type(aggregate), tracked.id
        if key in self._tracked:
            raise AggregateExists(
                f"cannot add {tracked.stream}: this unit of work holds an aggregate of that id already."
            )
        self._tracked[key] = tracked

    def remove(self, aggregate: Aggregate) -> None:
        """Remove an aggregate at commit."""
        self._check_writable()
        key = type(aggregate), str(aggregate.id)
        tracked = self._tracked.get(key)
        if tracked is None or tracked.aggregate is not aggregate:
            raise ConfigurationError(f"cannot remove {key[0].__name__} {key[1]}: load it with this repository first.")
        if tracked.version:
            tracked.removed = True
        else:
            del self._tracked[key]

    async def commit(self) -> Sequence[StoredEvent]:
        """Write and commit everything; return the events as stored. The application calls this, handlers do not.

        Raises:
            ConcurrencyConflict: an aggregate was changed by somebody else since it was loaded.
            AggregateExists: an added aggregate exists.
            CommitFailed, TransientFailure: the store refused.
        """
        self._check()
        for callback in self._before:
            await callback()
        self._check()
        stored: Sequence[StoredEvent] = ()
        if self._transaction is not None or self._tracked or self._recorded or self._last_steps:
            transaction = await self.transaction()
            stored = await self._guard(self._write(transaction))
            await self._guard(commit(transaction))
        self._closed = True
        return stored

    def end_untouched(self) -> bool:
        """End it when there is nothing to commit, to run before that, or to undo; return whether it was so."""
        self._closed = not (
            self._transaction is not None
            or self._tracked
            or self._recorded
            or self._last_steps
            or self._before
            or self._doom is not None
        )
        return self._closed

    def check_nothing_recorded(self) -> None:
        """Raise when an aggregate recorded something that a unit which only reads would lose.

        Raises:
            ReadOnlyUnitOfWork: one did.
        """
        for tracked in self._tracked.values():
            if recorded := tracked.aggregate.recorded:
                names = ", ".join(type(event).__name__ for event in recorded)
                raise ReadOnlyUnitOfWork(
                    f"cannot answer {type(self._cause().message).__name__}: its handler recorded {names} on "
                    f"{tracked.stream}, and a query changes nothing. Make it a command."
                )

    @property
    def has_after_commit(self) -> bool:
        """Whether a callback waits for the commit."""
        return bool(self._after)

    async def run_after_commit(self) -> None:
        """Run the callbacks that wait for the commit.

        Raises:
            AfterCommitFailed: some failed; all were run.
        """
        failures: list[Exception] = []
        for callback in self._after:
            try:
                await callback()
            except Exception as failure:  # noqa: BLE001 -- raised together below
                failures.append(failure)
        if failures:
            raise AfterCommitFailed(
                f"the command is committed, but {len(failures)} of {len(self._after)} callback(s) after the commit "
                "failed. Do not repeat the command; repeat what the callbacks do."
            ) from ExceptionGroup("after_commit", failures)

    async def rollback(self) -> None:
        """Undo everything. Also finishes when the task is being cancelled."""
        if self._closed:
            return
        self._closed = True
        if self._transaction is not None:
            with anyio.CancelScope(shield=True):
                await self._transaction.rollback()

    async def _write(self, transaction: WriteTransaction) -> Sequence[StoredEvent]:
        appends = await self._side.save(transaction, self._tracked.values())
        appends += [(stream, [event], Expected.ANY) for stream, event in self._recorded]
        stored = await self._side.append(transaction, appends, self._cause()) if appends else ()
        for step in self._last_steps:
            await step(transaction, stored)
        for tracked in self._tracked.values():
            tracked.aggregate._clear_recorded()
        return stored

    async def _guard(self, step: Awaitable[T]) -> T:
        try:
            return await step
        except BaseException as failure:
            self._doom = failure
            raise

    def _check(self) -> None:
        if self._doom is not None:
            raise UnitOfWorkDoomed(
                f"cannot use this unit of work: {type(self._doom).__name__} broke it before ({self._doom}). "
                "Let the error leave the handler; the retry_conflicts middleware repeats the handler on a fresh unit."
            ) from self._doom
        if self._closed:
            raise UnitOfWorkClosed(
                "cannot use this unit of work: it has ended. Use it only while its command is handled."
            )
        if current_task() is not self._owner:
            raise UsedFromAnotherTask(
                "cannot use this unit of work here: another task opened it. Await repository calls one after another "
                "instead of with gather() or a task group; for a time limit use anyio.fail_after(), not wait_for()."
            )

    def _check_writable(self) -> None:
        self._check()
        if self._read_only:
            raise ReadOnlyUnitOfWork("cannot write here: a query changes nothing. Make it a command.")
