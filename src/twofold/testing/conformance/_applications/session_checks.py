"""Sessions: tokens, tasks, and expected versions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal

import anyio
import anyio.lowlevel
import pytest

from twofold import Application, Command, Repository, Router
from twofold.errors import AggregateNotFound, ConcurrencyConflict, ForeignLog, InvalidToken, UsedFromAnotherTask
from twofold.ports import WriteStore

from .._domain.audit import running
from .._domain.bank import Account, Deposit, Open
from .._tools.opened import NewStore


class Check(Command[int]):
    """Changes nothing; conflicts when the account is not at the expected version."""

    account_id: str
    expected: int


def checking(meanwhile: Callable[[], Awaitable[None]] = anyio.lowlevel.checkpoint) -> Router:
    """Return a router that handles `Check` and awaits `meanwhile` before the commit."""
    router = Router("checking")

    @router.command_handler(Check)
    async def check(command: Check, accounts: Repository[Account]) -> int:
        await accounts.get(command.account_id, expected=command.expected)
        await meanwhile()
        return command.expected

    return router


class SessionChecks:
    """The cases of `SessionSuite` that do not wait for a read model."""

    async def test_a_token_is_checked(self, new_store: NewStore) -> None:
        """An invalid token and a token of another log are refused. A failed command does not change the token."""
        async with new_store([]) as store, running(store) as app, app.session() as session:
            assert session.token == ""
            await session.dispatch(Open(account_id="a"))
            token = session.token
            await session.dispatch(Deposit(account_id="a", amount=Decimal(1)))
            later = session.token
            assert later != token
            with pytest.raises(AggregateNotFound):
                await session.dispatch(Deposit(account_id="none", amount=Decimal(1)))
            assert session.token == later
            with pytest.raises(InvalidToken):
                app.session("nonsense")
            async with new_store([]) as another, running(another) as other:
                with pytest.raises(ForeignLog):
                    other.session(token)

    async def test_a_session_belongs_to_its_task(self, new_store: NewStore) -> None:
        """Using a session in another task raises `UsedFromAnotherTask`. The session still works in its own task."""
        async with new_store([]) as store, running(store) as app, app.session() as session:
            with pytest.raises(ExceptionGroup) as caught:
                async with anyio.create_task_group() as group:
                    group.start_soon(session.dispatch, Open(account_id="a"))
            assert caught.group_contains(UsedFromAnotherTask)
            assert await session.dispatch(Open(account_id="a")) == "a"

    async def test_a_version_is_checked_though_nothing_is_written(self, new_store: NewStore) -> None:
        """The expected version is checked even if the command writes nothing. The token stays the same."""
        for event_sourced in (False, True):
            async with new_store([]) as store, running(store, checking(), event_sourced=event_sourced) as app:
                session, other = app.session(), app.session()
                await session.dispatch(Open(account_id="a"))
                token = session.token
                assert await session.dispatch(Check(account_id="a", expected=1)) == 1
                assert session.token == token
                assert await other.dispatch(Check(account_id="a", expected=1)) == 1
                assert other.token == ""
                await other.dispatch(Deposit(account_id="a", amount=Decimal(1)))
                with pytest.raises(ConcurrencyConflict) as caught:
                    await session.dispatch(Check(account_id="a", expected=1))
                assert (caught.value.expected, caught.value.actual) == (1, 2)
                assert session.token == token

    async def test_a_version_is_checked_at_the_commit(self, new_store: NewStore) -> None:
        """A command that only checks a version conflicts if another command changes the aggregate before the commit."""
        for event_sourced in (False, True):
            async with new_store([]) as store:
                await self._check_and_change(store, event_sourced)

    async def _check_and_change(self, store: WriteStore, event_sourced: bool) -> None:
        """Change an account while a command that has read it waits.

        Where writers take turns, the change cannot happen meanwhile, and the wait times out.
        """
        looked, changed = anyio.Event(), anyio.Event()
        overtaken: list[bool] = []

        async def wait() -> None:
            looked.set()
            with anyio.move_on_after(0.2):
                await changed.wait()
            overtaken.append(changed.is_set())

        async def change(app: Application) -> None:
            await looked.wait()
            await app.dispatch(Deposit(account_id="a", amount=Decimal(1)))
            changed.set()

        async with running(store, checking(wait), work=False, event_sourced=event_sourced) as app:
            await app.dispatch(Open(account_id="a"))
            session = app.session()
            conflicts = 0
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(change, app)
                try:
                    await session.dispatch(Check(account_id="a", expected=1))
                except ConcurrencyConflict:
                    conflicts += 1
            assert conflicts == 1 or overtaken == [False]
            assert session.token == ""
