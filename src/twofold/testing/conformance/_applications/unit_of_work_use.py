"""The use of a unit of work: by one task and by the commands that its handler dispatches, and read-only in queries."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal

import anyio
import pytest

from twofold import Command, CommandBus, Envelope, Query, Repository, Router, UnitOfWork
from twofold.errors import DispatchCycle, ReadOnlyUnitOfWork, UnitOfWorkDoomed, UsedFromAnotherTask
from twofold.middleware import CallNext
from twofold.ports import START

from .._domain.audit import running
from .._domain.bank import Account, Deposit, Deposited, Open, Opened
from .._domain.transfers import DEPOSITED, Run, Standing, Total, handled, standing, transfers
from .._stores.event_log import event, stream_of
from .._tools.opened import NewStore


class Half(Command[None]):
    """Is dispatched by the handler of another command."""


class Sneak(Query[str]):
    """Attempts to write."""


class UnitOfWorkUse:
    """The cases of `UnitOfWorkSuite` about tasks, nested commands and queries."""

    async def test_two_tasks_cannot_share_a_unit(self, new_store: NewStore) -> None:
        """Repository calls in sibling tasks of a handler raise an error of Twofold, not of the driver."""

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
        """A nested command sees the changes of the outer handler, and commits or rolls back with them."""
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

    async def test_an_error_that_middleware_answers(self, new_store: NewStore) -> None:
        """Middleware inside the unit of work can return a result after an error.

        The changes of the handler are still rolled back.
        """

        async def run(command: Run, accounts: Repository[Account], unit: UnitOfWork) -> str:
            account = await accounts.get("a")
            account.record(Deposited(account_id="a", amount=Decimal(100)))
            unit.record(Deposited(account_id="a", amount=Decimal(100)))
            await (await unit.transaction()).log.append("aside", [event()], expected=0)
            raise LookupError("after the first of two steps")

        async def answer(message: Run, call_next: CallNext) -> str:
            try:
                return str(await call_next(message))
            except LookupError:
                return "sorry"

        router = handled(run)
        router.use(answer, on=Run, inside=True)
        for event_sourced in (False, True):
            async with (
                new_store([Total]) as store,
                running(store, router, transfers(), work=False, event_sourced=event_sourced) as app,
            ):
                await app.dispatch(Open(account_id="a"))
                for key in (None, "k"):
                    before = await standing(store), await store.log.head()
                    assert await app.dispatch(Run(), idempotency_key=key) == "sorry"
                    assert (await standing(store), await store.log.head()) == before

    async def test_a_nested_command_that_fails_half_way(self, new_store: NewStore) -> None:
        """A nested command that fails has no effect, even if the outer handler catches its error.

        Either the outer command cannot commit, or the change of the nested command is rolled back.
        """

        async def run(command: Run, accounts: Repository[Account], unit: UnitOfWork, commands: CommandBus) -> str:
            (await accounts.get("a")).record(Deposited(account_id="a", amount=Decimal(1)))
            if undoes:
                with suppress(LookupError):
                    async with unit.savepoint():
                        await commands.dispatch(Half())
            else:
                with suppress(LookupError):
                    await commands.dispatch(Half())
            return "caught"

        router = handled(run)

        @router.command_handler(Half)
        async def half(command: Half, accounts: Repository[Account]) -> None:
            (await accounts.get("a")).record(Deposited(account_id="a", amount=Decimal(100)))
            raise LookupError

        async with new_store([Total]) as store, running(store, router, transfers(), work=False) as app:
            await app.dispatch(Open(account_id="a"))
            undoes = False
            with pytest.raises(UnitOfWorkDoomed, match="nested command changed something"):
                await app.dispatch(Run())
            undoes = True
            assert await app.dispatch(Run()) == "caught"
            assert await standing(store) == DEPOSITED

    async def test_a_nested_command_is_the_cause_of_its_events(self, new_store: NewStore) -> None:
        """An event names the command whose handler recorded it, through an aggregate or through the unit of work."""
        seen: dict[str, object] = {}

        async def run(command: Run, envelope: Envelope, unit: UnitOfWork, commands: CommandBus) -> str:
            await commands.dispatch(Half())
            unit.record(Opened(account_id="c"))
            return str(envelope.id)

        router = handled(run)

        @router.command_handler(Half)
        async def half(command: Half, envelope: Envelope, accounts: Repository[Account], unit: UnitOfWork) -> None:
            seen["half"] = str(envelope.id)
            await accounts.add(Account.begin(Opened(account_id="a")))
            unit.record(Opened(account_id="b"))

        async with new_store([Total]) as store, running(store, router, transfers(), work=False) as app:
            outer = await app.dispatch(Run())
            events = (await store.log.read_all()).events
            causes = {json.loads(each.data)["account_id"]: json.loads(each.metadata)["causation_id"] for each in events}
            assert causes == {"a": seen["half"], "b": seen["half"], "c": outer}
            assert len({each.stream for each in events}) == 2

    async def test_a_cycle_is_reported(self, new_store: NewStore) -> None:
        """A command that dispatches itself raises an error without a deadlock, and is rolled back."""

        async def run(command: Run, unit: UnitOfWork, commands: CommandBus) -> str:
            unit.record(Deposited(account_id="a", amount=Decimal(1)))
            return await commands.dispatch(Run())

        async with new_store([Total]) as store, running(store, handled(run), work=False) as app:
            with pytest.raises(DispatchCycle):
                await app.dispatch(Run())
            assert await store.log.head() == START

    async def test_a_query_cannot_write(self, new_store: NewStore) -> None:
        """A query can neither add an aggregate, nor record an event, nor write in its transaction."""
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
