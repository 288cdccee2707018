"""Commands: aggregates, units of work and what happens when they fail."""

from __future__ import annotations

from decimal import Decimal

import anyio
import pytest

from twofold import Command, CommandBus, Module, Query, Repository, UnitOfWork
from twofold.errors import (
    AfterCommitFailed,
    AggregateExists,
    AggregateNotFound,
    ConcurrencyConflict,
    DispatchCycle,
    ReadOnlyUnitOfWork,
    UnitOfWorkDoomed,
    UsedFromAnotherTask,
)
from twofold.middleware import retry_conflicts
from twofold.ports import WriteStore
from twofold.testing.conformance._bank import Account, Balance, Close, Deposit, Deposited, GetBalance, Open, application

BOTH = pytest.mark.parametrize("event_sourced", [False, True], ids=["state stored", "event sourced"])


class Run(Command[str]):
    """Runs what a test gives it."""


@BOTH
async def test_add_get_change_and_remove(store: WriteStore, event_sourced: bool) -> None:
    """An aggregate can be added, changed and removed; how it is kept makes no difference."""
    app = await application(store, event_sourced=event_sourced)
    async with app, app.session() as session:
        await session.dispatch(Open(account_id="a"))
        assert await session.dispatch(Deposit(account_id="a", amount=Decimal("2.50"))) == Decimal("2.50")
        assert await session.dispatch(Deposit(account_id="a", amount=Decimal("0.25"))) == Decimal("2.75")
        await session.dispatch(Close(account_id="a"))
        with pytest.raises(AggregateNotFound):
            await session.dispatch(Deposit(account_id="a", amount=Decimal(1)))
        with pytest.raises(AggregateExists):
            await session.dispatch(Open(account_id="a"))


@BOTH
async def test_an_existing_id_is_refused(store: WriteStore, event_sourced: bool) -> None:
    """Adding an aggregate twice is refused, and the first stays as it was."""
    app = await application(store, event_sourced=event_sourced)
    async with app:
        await app.dispatch(Open(account_id="a"))
        await app.dispatch(Deposit(account_id="a", amount=Decimal(5)))
        with pytest.raises(AggregateExists):
            await app.dispatch(Open(account_id="a"))
        assert await app.dispatch(Deposit(account_id="a", amount=Decimal(1))) == 6


@BOTH
async def test_concurrent_deposits_all_count(store: WriteStore, event_sourced: bool) -> None:
    """Of concurrent commands on one aggregate none is lost when conflicts are repeated."""
    app = await application(store, event_sourced=event_sourced)
    app.use(retry_conflicts(attempts=50))
    async with app:
        await app.dispatch(Open(account_id="a"))
        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(app.dispatch, Deposit(account_id="a", amount=Decimal(1)))
        assert await app.dispatch(Deposit(account_id="a", amount=Decimal(0))) == 10


@BOTH
async def test_a_failing_command_leaves_nothing(store: WriteStore, event_sourced: bool) -> None:
    """State and events of a command that fails are seen by nobody."""
    module = Module("failing")

    @module.command_handler(Run)
    async def run(command: Run, accounts: Repository[Account], unit: UnitOfWork) -> str:
        account = await accounts.get("a")
        account.record(Deposited(account_id="a", amount=Decimal(100)))
        unit.record(Deposited(account_id="a", amount=Decimal(100)))
        raise LookupError("no")

    app = await application(store, module, event_sourced=event_sourced)
    async with app:
        await app.dispatch(Open(account_id="a"))
        head = await store.log.head()
        with pytest.raises(LookupError):
            await app.dispatch(Run())
        assert await store.log.head() == head
        assert await app.dispatch(Deposit(account_id="a", amount=Decimal(1))) == 1


@BOTH
async def test_an_expected_version_is_checked_also_when_nothing_is_written(
    store: WriteStore, event_sourced: bool
) -> None:
    """A command that names the version it saw conflicts when another one is there, though it changes nothing."""
    module = Module("checking")

    @module.command_handler(Run)
    async def run(command: Run, accounts: Repository[Account]) -> str:
        await accounts.get("a", expected=1)
        return "as expected"

    app = await application(store, module, event_sourced=event_sourced)
    async with app:
        await app.dispatch(Open(account_id="a"))
        assert await app.dispatch(Run()) == "as expected"
        await app.dispatch(Deposit(account_id="a", amount=Decimal(1)))
        with pytest.raises(ConcurrencyConflict) as caught:
            await app.dispatch(Run())
        assert (caught.value.expected, caught.value.actual) == (1, 2)


async def test_an_undone_savepoint_drops_its_events(store: WriteStore) -> None:
    """What was done in a savepoint that is left by an error is undone; the rest is committed."""
    module = Module("savepoint")

    @module.command_handler(Run)
    async def run(command: Run, accounts: Repository[Account], unit: UnitOfWork) -> str:
        account = await accounts.get("a")
        account.record(Deposited(account_id="a", amount=Decimal(1)))
        with pytest.raises(LookupError):
            async with unit.savepoint():
                account.record(Deposited(account_id="a", amount=Decimal(100)))
                raise LookupError
        return str(account.balance)

    app = await application(store, module)
    async with app:
        await app.dispatch(Open(account_id="a"))
        assert await app.dispatch(Run()) == "1"
        assert await app.dispatch(Deposit(account_id="a", amount=Decimal(1))) == 2


async def test_a_swallowed_store_error_dooms_the_unit(store: WriteStore) -> None:
    """After an error of the store was swallowed, the unit cannot be used or committed any more."""
    module = Module("doomed")
    seen: list[type[BaseException]] = []

    @module.command_handler(Run)
    async def run(command: Run, accounts: Repository[Account], unit: UnitOfWork) -> str:
        transaction = await unit.transaction()
        account = await accounts.get("a")
        try:
            await unit._guard(transaction.append("account-a", (), expected=7))
        except ConcurrencyConflict as error:
            seen.append(type(error))
        with pytest.raises(UnitOfWorkDoomed):
            await accounts.get("b")
        account.record(Deposited(account_id="a", amount=Decimal(100)))
        return "swallowed"

    app = await application(store, module)
    async with app:
        await app.dispatch(Open(account_id="a"))
        with pytest.raises(UnitOfWorkDoomed):
            await app.dispatch(Run())
        assert seen == [ConcurrencyConflict]
        assert await app.dispatch(Deposit(account_id="a", amount=Decimal(1))) == 1


async def test_two_tasks_cannot_share_a_unit(store: WriteStore) -> None:
    """Repository calls in sibling tasks of a handler fail with our error, not the driver's."""
    module = Module("gather")

    @module.command_handler(Run)
    async def run(command: Run, accounts: Repository[Account]) -> str:
        with pytest.raises(ExceptionGroup) as caught:
            async with anyio.create_task_group() as group:
                group.start_soon(accounts.find, "a")
                group.start_soon(accounts.find, "b")
        assert caught.group_contains(UsedFromAnotherTask)
        return "refused"

    app = await application(store, module)
    async with app:
        assert await app.dispatch(Run()) == "refused"


async def test_a_cancelled_command_leaves_nothing_open(store: WriteStore) -> None:
    """A command that is cancelled in the middle rolls back, and the next one is not held up."""
    module = Module("slow")
    reached = anyio.Event()

    @module.command_handler(Run)
    async def run(command: Run, accounts: Repository[Account]) -> str:
        account = await accounts.get("a")
        account.record(Deposited(account_id="a", amount=Decimal(100)))
        reached.set()
        await anyio.sleep_forever()
        return "never"

    app = await application(store, module)
    async with app:
        await app.dispatch(Open(account_id="a"))
        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                group.start_soon(app.dispatch, Run())
                await reached.wait()
                group.cancel_scope.cancel()
            assert await app.dispatch(Deposit(account_id="a", amount=Decimal(1))) == 1


async def test_a_nested_command_joins_the_unit(store: WriteStore) -> None:
    """What a handler dispatches is committed with it, or not at all."""
    module = Module("nested")

    @module.command_handler(Run)
    async def run(command: Run, commands: CommandBus) -> str:
        await commands.dispatch(Open(account_id="x"))
        await commands.dispatch(Deposit(account_id="x", amount=Decimal(3)))
        raise LookupError("after both")

    app = await application(store, module)
    async with app:
        with pytest.raises(LookupError):
            await app.dispatch(Run())
        assert await store.log.head() == 0


async def test_a_cycle_is_reported(store: WriteStore) -> None:
    """A command that dispatches itself is an error, not a deadlock."""
    module = Module("cycle")

    @module.command_handler(Run)
    async def run(command: Run, commands: CommandBus) -> str:
        return await commands.dispatch(Run())

    app = await application(store, module)
    async with app:
        with anyio.fail_after(10), pytest.raises(DispatchCycle):
            await app.dispatch(Run())


async def test_the_three_ends_of_a_unit(store: WriteStore) -> None:
    """A failing callback before the commit undoes all; one after it reports that all is committed."""
    module = Module("ends")
    failing = {"before": True}

    async def fail() -> None:
        raise LookupError("callback")

    @module.command_handler(Run)
    async def run(command: Run, unit: UnitOfWork) -> str:
        unit.record(Deposited(account_id="a", amount=Decimal(1)), stream="account-a")
        (unit.before_commit if failing["before"] else unit.after_commit)(fail)
        return "result"

    app = await application(store, module)
    async with app:
        with pytest.raises(LookupError):
            await app.dispatch(Run())
        assert await store.log.head() == 0
        failing["before"] = False
        with pytest.raises(AfterCommitFailed) as caught:
            await app.dispatch(Run())
        assert caught.value.result == "result"
        assert len([event async for event in store.log.read("account-a")]) == 1


async def test_a_query_cannot_write(store: WriteStore) -> None:
    """A query that adds an aggregate is refused."""
    module = Module("writing query")

    class Sneak(Query[str]):
        pass

    @module.query_handler(Sneak)
    async def sneak(query: Sneak, accounts: Repository[Account]) -> str:
        await accounts.add(Account())
        return "written"

    app = await application(store, module)
    async with app:
        with pytest.raises(ReadOnlyUnitOfWork):
            await app.execute(Sneak())


async def test_a_session_reads_its_own_writes(store: WriteStore) -> None:
    """A query after a command in one session never misses it, and the token works in another session."""
    app = await application(store)
    async with app, app.session() as session:
        for number in range(100):
            name = f"a{number}"
            await session.dispatch(Open(account_id=name))
            await session.dispatch(Deposit(account_id=name, amount=Decimal(number)))
            assert await session.execute(GetBalance(account_id=name)) == Balance(
                account_id=name, balance=Decimal(number)
            )
            other = app.session(session.token)
            assert await other.execute(GetBalance(account_id=name)) is not None
