"""Stores on which a command is not all or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twofold.errors import TransientFailure
from twofold.testing.conformance._tools.opened import failed_savepoint

from .broken import Around, Break, Flat, appending, break_part, break_store, commits_anyway, of_store
from .event_log import CommitsEarly
from .mutant import Mutant
from .state import DropsUpdates, state
from .transactions import LeavesSavepoints


class LosesEvents(Around):
    """Keeps the state and loses the events."""

    async def append(self, stream: str, events: Any, *, expected: Any) -> Any:
        async with failed_savepoint(self.inner):
            return await self.inner.append(stream, events, expected=expected)


class ForgetsRefusals(Around):
    """Goes on after a refused append as if nobody had asked."""

    async def append(self, stream: str, events: Any, *, expected: Any) -> Any:
        async with self.inner.savepoint():
            return await self.inner.append(stream, events, expected=expected)


class LosesInserts(Around):
    """Keeps the events and loses the state of what is new."""

    async def insert(self, id: str, aggregate: Any) -> None:
        await self.inner.version(id)


class LosesRows(Around):
    """Writes no rows."""

    async def write(self, changes: Any) -> None:
        await self.inner.get_many([change.key for change in changes])


class CommitsRows(Around):
    """Makes rows visible as soon as they are written, and what was written before them."""

    def __init__(self, inner: Any, store: Any, read_only: bool) -> None:
        super().__init__(inner)
        self._store = store

    def rows(self, view: Any, **options: Any) -> Any:
        return _CommittingRows(self.inner.rows(view, **options), self)

    async def commit_now(self) -> None:
        """Commit, and go on in another transaction."""
        await self.inner.commit()
        self.inner = Flat(await self._store.begin())


class _CommittingRows(Around):
    def __init__(self, inner: Any, transaction: CommitsRows) -> None:
        super().__init__(inner)
        self._transaction = transaction

    async def write(self, changes: Any) -> None:
        await self.inner.write(changes)
        await self._transaction.commit_now()


class LosesCommits(Around):
    """Says that what was appended to an existing stream is committed, and undoes it."""

    _changes = False

    async def append(self, stream: str, events: Any, *, expected: Any) -> Any:
        stored = await self.inner.append(stream, events, expected=expected)
        self._changes = self._changes or any(event.version > 1 for event in stored)
        return stored

    async def commit(self) -> None:
        await (self.inner.rollback() if self._changes else self.inner.commit())


class LetsReadersWrite(Around):
    """Begins a transaction that writes, whatever was asked for."""

    async def begin(self, *, read_only: bool = False) -> Any:
        return await self.inner.begin()


class LeavesOpen(Around):
    """Does not give back the connection of a transaction that was not committed, and has only that one."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self._left: list[Any] = []

    async def begin(self, *, read_only: bool = False) -> Any:
        transaction = await self.inner.begin(read_only=read_only) if read_only or not self._left else None
        if transaction is None:
            await self._left.pop().rollback()
            raise TransientFailure("cannot begin: no connection is free.")
        return transaction if read_only else _LeftOpen(transaction, self._left)


class _LeftOpen(Around):
    _committed = False

    def __init__(self, inner: Any, left: list[Any]) -> None:
        super().__init__(inner)
        self._left = left

    async def commit(self) -> None:
        await self.inner.commit()
        self._committed = True

    async def rollback(self) -> None:
        if not self._committed:
            self._left.append(self.inner)


def rows(part: Callable[[Any], Any]) -> Break:
    """Break the rows of every view."""
    return break_part("rows", lambda: part)


UNIT_OF_WORK: Sequence[Mutant] = (
    Mutant("state of the new is lost", "test_a_failure_at_any_step_keeps_nothing", state(LosesInserts)),
    Mutant("state of the changed is lost", "test_a_failure_at_any_step_keeps_nothing", state(DropsUpdates)),
    Mutant("events are lost", "test_a_failure_at_any_step_keeps_nothing", appending(LosesEvents)),
    Mutant("rows are lost", "test_a_failure_at_any_step_keeps_nothing", rows(LosesRows)),
    Mutant("rollback commits, at any step", "test_a_failure_at_any_step_keeps_nothing", commits_anyway),
    Mutant("rollback commits, failing handler", "test_a_failing_handler_keeps_nothing", commits_anyway),
    Mutant("rollback commits, retried", "test_a_retry_runs_the_whole_handler_again", commits_anyway),
    Mutant("rollback commits, cancelled", "test_a_cancelled_command_leaves_nothing_open", commits_anyway),
    Mutant("rollback commits, refused commit", "test_a_refused_commit_keeps_nothing", commits_anyway),
    Mutant("events commit before rows", "test_a_failing_inline_projection_keeps_nothing", of_store(CommitsEarly)),
    Mutant("events are seen early", "test_nothing_is_seen_before_the_commit", of_store(CommitsEarly)),
    Mutant("rows are seen early", "test_nothing_is_seen_before_the_commit", of_store(CommitsRows)),
    Mutant("savepoint not undone", "test_an_undone_savepoint_drops_its_events", appending(LeavesSavepoints)),
    Mutant("a refusal is forgotten", "test_a_swallowed_refusal_dooms_the_unit", appending(ForgetsRefusals)),
    Mutant("commit is no commit", "test_callbacks_run_around_the_commit", appending(LosesCommits)),
    Mutant("commit is no commit, unconfirmed", "test_a_commit_that_is_not_confirmed", appending(LosesCommits)),
    Mutant("commit is no commit, callbacks", "test_a_failure_after_the_commit_undoes_nothing", appending(LosesCommits)),
    Mutant("readers write", "test_a_query_cannot_write", break_store(LetsReadersWrite)),
    Mutant("cancelled and left open", "test_a_cancelled_command_leaves_nothing_open", break_store(LeavesOpen)),
)
