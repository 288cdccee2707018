"""Stores on which a command is not all or nothing."""

from __future__ import annotations

from typing import Any

from tests.mutants.aggregates import dropping_updates, state
from tests.mutants.combinators import Wrap, instead, replacing
from tests.mutants.core import Faults, FaultSuite, setting
from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.places import at
from tests.mutants.transactions import commits_anyway, commits_events_early, committing_behind, leaves_savepoints
from twofold._writing import transactions
from twofold.errors import CommitFailed, TransientFailure
from twofold.testing.conformance import IdempotencySuite, UnitOfWorkSuite
from twofold.testing.conformance._tools.opened import failed_savepoint
from twofold.testing.conformance._tools.proxy import Proxy


def appending_in(savepoint: Any) -> Wrap:
    """Append within a savepoint of the transaction."""

    def wrap(transaction: Any) -> Any:
        async def append(log: Any, *args: Any, **options: Any) -> Any:
            async with savepoint(transaction):
                return await log.append(*args, **options)

        return at("log", instead(append=append))(transaction)

    return at("transaction", wrap)


async def _look_instead_of_inserting(state: Any, id: str, aggregate: Any) -> None:
    await state.version(id)


async def _look_instead_of_writing(rows: Any, changes: Any) -> None:
    await rows.get_many([change.key for change in changes])


class LosesCommits(Proxy):
    """Discards appends to an existing stream at the commit."""

    _changes = False

    @property
    def log(self) -> Any:
        async def append(log: Any, *args: Any, **options: Any) -> Any:
            stored = await log.append(*args, **options)
            self._changes = self._changes or any(event.version > 1 for event in stored)
            return stored

        return instead(append=append)(self.inner.log)

    async def commit(self) -> None:
        await (self.inner.rollback() if self._changes else self.inner.commit())


class LeavesOpen(Proxy):
    """Does not return the connection of an uncommitted transaction, and has only this connection."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self._left: list[Any] = []

    async def begin(self, *, read_only: bool = False) -> Any:
        transaction = await self.inner.begin(read_only=read_only) if read_only or not self._left else None
        if transaction is None:
            await self._left.pop().rollback()
            raise TransientFailure("cannot begin: no connection is free.")
        return transaction if read_only else _LeftOpen(transaction, left=self._left)


class _LeftOpen(Proxy):
    _committed = False

    async def commit(self) -> None:
        await self.inner.commit()
        self._committed = True

    async def rollback(self) -> None:
        if not self._committed:
            self.left.append(self.inner)


losing_commits = at("transaction", LosesCommits)


MUTANTS: Mutants = {
    "test_a_failure_at_any_step_keeps_nothing": {
        "state of the new is lost": state(instead(insert=_look_instead_of_inserting)),
        "state of the changed is lost": dropping_updates,
        "events are lost": appending_in(failed_savepoint),
        "rows are lost": at("transaction.rows", instead(write=_look_instead_of_writing)),
        "rollback commits, at any step": commits_anyway,
    },
    "test_a_failing_handler_keeps_nothing": {"rollback commits, failing handler": commits_anyway},
    "test_a_retry_runs_the_whole_handler_again": {"rollback commits, retried": commits_anyway},
    "test_a_cancelled_command_leaves_nothing_open": {
        "rollback commits, cancelled": commits_anyway,
        "cancelled and left open": LeavesOpen,
    },
    "test_a_refused_commit_keeps_nothing": {"rollback commits, refused commit": commits_anyway},
    "test_a_failing_inline_projection_keeps_nothing": {"events commit before rows": commits_events_early},
    "test_nothing_is_seen_before_the_commit": {
        "events are seen early": commits_events_early,
        "rows are seen early": committing_behind("rows", "write"),
    },
    "test_an_undone_savepoint_drops_its_events": {"savepoint not undone": leaves_savepoints},
    "test_an_error_that_middleware_answers": {
        "savepoint not undone, answered error": leaves_savepoints,
        "rollback commits, answered error": commits_anyway,
    },
    "test_a_swallowed_refusal_dooms_the_unit": {
        "a refusal is forgotten": appending_in(lambda transaction: transaction.savepoint())
    },
    "test_callbacks_run_around_the_commit": {"commit is no commit": losing_commits},
    "test_a_commit_that_is_not_confirmed": {"commit is no commit, unconfirmed": losing_commits},
    "test_a_failure_after_the_commit_undoes_nothing": {"commit is no commit, callbacks": losing_commits},
    "test_a_query_cannot_write": {"readers write": replacing("begin", read_only=False)},
}


class TestMutants(MutantSuite):
    """Stores that break units of work."""

    suite = UnitOfWorkSuite
    mutants = MUTANTS


UNKNOWN: Faults = {
    UnitOfWorkSuite().test_a_commit_that_is_not_confirmed: {
        "an unknown commit is transient": setting(transactions, "CommitUnknown", TransientFailure),
        "an unknown commit is refused": setting(transactions, "CommitUnknown", CommitFailed),
    },
    IdempotencySuite().test_an_unknown_commit_is_resolved_by_its_key: {
        "an unknown commit is transient, with a key": setting(transactions, "CommitUnknown", TransientFailure),
    },
}


class TestUnknownCommits(FaultSuite):
    """Commits without an answer whose outcome is reported as known."""

    mutants = UNKNOWN
