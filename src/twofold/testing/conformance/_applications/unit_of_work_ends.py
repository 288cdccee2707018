"""The end of a unit of work: failures of the commit, and of callbacks before and after it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest

from twofold import Repository, UnitOfWork
from twofold.errors import AfterCommitFailed, CommitFailed, CommitUnknown, TransientFailure

from .._domain.audit import running
from .._domain.bank import Account, Deposited, Open
from .._domain.transfers import DEPOSITED, OPENED, Run, Standing, Total, Trip, handled, standing, transfers
from .._tools.opened import NewStore
from .._tools.watched import AFTER_COMMIT, BEFORE_COMMIT, watched


class Callbacks:
    """The callbacks of a command that deposits 1 in account "a".

    Args:
        failing: the callbacks that raise, of "before 1", "before 2", "after 1" and "after 2".
    """

    def __init__(self, *failing: str) -> None:
        self.ran: list[str] = []
        self._failing = failing

    async def run(self, command: Run, accounts: Repository[Account], unit: UnitOfWork) -> str:
        """Deposit with two callbacks before and two after the commit, and wait for the end."""
        for number in (1, 2):
            unit.before_commit(self._callback(f"before {number}"))
            unit.after_commit(self._callback(f"after {number}"))
        (await accounts.get("a")).record(Deposited(account_id="a", amount=Decimal(1)))
        return "deposited"

    def _callback(self, name: str) -> Callable[[], Awaitable[None]]:
        async def callback() -> None:
            self.ran.append(name)
            if name in self._failing:
                raise LookupError(name)

        return callback


class UnitOfWorkEnds:
    """The cases of `UnitOfWorkSuite` about the commit and its callbacks."""

    async def test_callbacks_run_around_the_commit(self, new_store: NewStore) -> None:
        """Callbacks before the commit run while the changes are invisible.

        Callbacks after it run when they are visible.
        """
        seen: list[tuple[Standing, Standing]] = []

        async def run(command: Run, accounts: Repository[Account], unit: UnitOfWork) -> str:
            async def look() -> None:
                seen.append(await standing(store))

            unit.before_commit(look)
            unit.after_commit(look)
            (await accounts.get("a")).record(Deposited(account_id="a", amount=Decimal(1)))
            return "deposited"

        async with new_store([Total]) as store, running(store, handled(run), transfers(), work=False) as app:
            await app.dispatch(Open(account_id="a"))
            assert await app.dispatch(Run()) == "deposited"
            assert seen == [OPENED, DEPOSITED]

    async def test_a_failure_before_the_commit_keeps_nothing(self, new_store: NewStore) -> None:
        """If a callback before the commit raises, the command is rolled back with this error, and no other callback runs."""
        callbacks = Callbacks("before 1")
        async with new_store([Total]) as store, running(store, handled(callbacks.run), transfers(), work=False) as app:
            await app.dispatch(Open(account_id="a"))
            with pytest.raises(LookupError, match="before 1"):
                await app.dispatch(Run())
            assert callbacks.ran == ["before 1"]
            assert await standing(store) == OPENED

    async def test_a_refused_commit_keeps_nothing(self, new_store: NewStore) -> None:
        """A failed commit is reported as an error. Nothing is visible, and no callback after the commit runs."""
        trip, callbacks = Trip(), Callbacks()
        raised: list[tuple[Exception, type[Exception]]] = [
            (TransientFailure("it trips"), TransientFailure),
            (CommitFailed("refused"), CommitFailed),
            (OSError("the line is cut"), CommitUnknown),
        ]
        async with (
            new_store([Total]) as store,
            running(watched(store, trip), handled(callbacks.run), transfers(), work=False) as app,
        ):
            await app.dispatch(Open(account_id="a"))
            for error, expected in raised:
                callbacks.ran.clear()
                trip.at((BEFORE_COMMIT, "account-a"), error)
                with pytest.raises(expected):
                    await app.dispatch(Run())
                assert callbacks.ran == ["before 1", "before 2"]
                assert await standing(store) == OPENED
            assert await app.dispatch(Run()) == "deposited"
            assert await standing(store) == DEPOSITED

    async def test_a_commit_that_is_not_confirmed(self, new_store: NewStore) -> None:
        """If the response to a commit is lost, the error says that the outcome is unknown.

        In this test the commit took effect.
        """
        trip, callbacks = Trip(), Callbacks()
        async with (
            new_store([Total]) as store,
            running(watched(store, trip), handled(callbacks.run), transfers(), work=False) as app,
        ):
            await app.dispatch(Open(account_id="a"))
            trip.at((AFTER_COMMIT, "account-a"), OSError("the line is cut"))
            with pytest.raises(CommitUnknown, match="unknown"):
                await app.dispatch(Run())
            assert callbacks.ran == ["before 1", "before 2"]
            assert await standing(store) == DEPOSITED

    async def test_a_failure_after_the_commit_undoes_nothing(self, new_store: NewStore) -> None:
        """If a callback after the commit raises, the others still run. The error contains the result of the command."""
        callbacks = Callbacks("after 1")
        async with new_store([Total]) as store, running(store, handled(callbacks.run), transfers(), work=False) as app:
            await app.dispatch(Open(account_id="a"))
            with pytest.raises(AfterCommitFailed) as caught:
                await app.dispatch(Run())
            assert caught.value.result == "deposited"
            assert callbacks.ran == ["before 1", "before 2", "after 1", "after 2"]
            assert await standing(store) == DEPOSITED
