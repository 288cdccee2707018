"""Who may use a unit of work: one task, and what its handler dispatches; a query only reads in it."""

from __future__ import annotations

from decimal import Decimal

import anyio
import pytest

from twofold import CommandBus, Query, Repository, Router, UnitOfWork
from twofold.errors import DispatchCycle, ReadOnlyUnitOfWork, UsedFromAnotherTask
from twofold.ports import START

from .._domain.audit import running
from .._domain.bank import Account, Deposit, Deposited, Opened
from .._domain.transfers import DEPOSITED, Run, Standing, Total, handled, standing, transfers
from .._stores.event_log import event, stream_of
from .._tools.opened import NewStore


class Sneak(Query[str]):
    """Writes, or tries to."""


class UnitOfWorkUse:
    """Who may use a unit of work on a store; a part of `UnitOfWorkSuite`."""

    async def test_two_tasks_cannot_share_a_unit(self, new_store: NewStore) -> None:
        """Repository calls in sibling tasks of a handler fail with our error, not the driver's."""

        async def run(command: Run, accounts: Repository[Account]) -> str:
            with pytest.raises(ExceptionGroup) as caught:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(accounts.find, "a")
                    tasks.start_soon(accounts.find, "b")
            assert caught.group_contains(UsedFromAnotherTask)
            assert await accounts.find("a") is None
            return "refused"

        async with new_store([Total]) as store, running(store, handled(run), work=False) as app:
            assert await app.dispatch(Run()) == "refused"

    async def test_a_nested_command_joins_the_unit(self, new_store: NewStore) -> None:
        """What a handler dispatches sees what the handler did, and is committed with it or not at all."""
        failing = True

        async def run(command: Run, accounts: Repository[Account], commands: CommandBus) -> str:
            await accounts.add(Account.begin(Opened(account_id="a")))
            await commands.dispatch(Deposit(account_id="a", amount=Decimal(1)))
            if failing:
                raise LookupError("after both")
            return "both"

        async with new_store([Total]) as store, running(store, handled(run), transfers(), work=False) as app:
            with pytest.raises(LookupError):
                await app.dispatch(Run())
            assert await store.log.head() == START
            failing = False
            assert await app.dispatch(Run()) == "both"
            assert await standing(store) == DEPOSITED

    async def test_a_cycle_is_reported(self, new_store: NewStore) -> None:
        """A command that dispatches itself is an error, not a deadlock, and nothing of it is kept."""

        async def run(command: Run, unit: UnitOfWork, commands: CommandBus) -> str:
            unit.record(Deposited(account_id="a", amount=Decimal(1)))
            return await commands.dispatch(Run())

        async with new_store([Total]) as store, running(store, handled(run), work=False) as app:
            with pytest.raises(DispatchCycle):
                await app.dispatch(Run())
            assert await store.log.head() == START

    async def test_a_query_cannot_write(self, new_store: NewStore) -> None:
        """A query may neither add an aggregate, nor record, nor write into its transaction."""
        router = Router("sneaking")
        ways = iter(("add", "record", "append", "insert"))

        @router.query_handler(Sneak)
        async def sneak(query: Sneak, accounts: Repository[Account], unit: UnitOfWork) -> str:
            new = Account.begin(Opened(account_id="a"))
            match next(ways):
                case "add":
                    await accounts.add(new)
                case "record":
                    unit.record(Opened(account_id="a"))
                case "append":
                    await (await unit.transaction()).log.append("account-a", [event()], expected=0)
                case _:
                    await (await unit.transaction()).state(Account).insert("a", new)
            return "written"

        async with new_store([Total]) as store, running(store, router, work=False) as app:
            for _ in range(4):
                with pytest.raises(ReadOnlyUnitOfWork):
                    await app.execute(Sneak())
            assert not await stream_of(store, "account-a")
            assert await standing(store) == (Standing(), Standing())
