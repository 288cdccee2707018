"""Units of work: state, events and inline projections of a command are committed together, or not at all."""

from __future__ import annotations

from decimal import Decimal

import anyio
import pytest

from twofold import Event, Repository, Router, UnitOfWork, on
from twofold.errors import ConcurrencyConflict, TransientFailure, UnitOfWorkDoomed
from twofold.middleware import retry_conflicts

from .._domain.audit import running, settled
from .._domain.bank import Account, Deposit, Deposited, Open, Opened
from .._domain.transfers import (
    DEPOSITED,
    OPENED,
    STEPS,
    TRANSFERRED,
    Run,
    Standing,
    Total,
    Transfer,
    Trip,
    handled,
    standing,
    transfers,
)
from .._stores.event_log import event
from .._tools.opened import NewStore
from .._tools.watched import AFTER_APPEND, AFTER_LOAD, AFTER_SAVE, BEFORE_COMMIT, watched
from .unit_of_work_ends import UnitOfWorkEnds
from .unit_of_work_use import UnitOfWorkUse


class UnitOfWorkSuite(UnitOfWorkUse, UnitOfWorkEnds):
    """The promises of units of work on a store. Needs the fixture `new_store`."""

    async def test_a_failure_at_any_step_keeps_nothing(self, new_store: NewStore) -> None:
        """If any step of a command fails, state, events and inline rows are unchanged, and no transaction stays open."""
        trip = Trip()
        async with (
            new_store([Total]) as store,
            running(watched(store, trip), transfers(), work=False) as app,
        ):
            await app.dispatch(Open(account_id="a"))
            for step in STEPS:
                trip.at(step)
                with pytest.raises(TransientFailure):
                    await app.dispatch(Transfer())
                assert await standing(store) == OPENED, step
            assert await app.dispatch(Transfer()) == "transferred"
            assert await standing(store) == TRANSFERRED

    async def test_a_failing_handler_keeps_nothing(self, new_store: NewStore) -> None:
        """A handler that raises changes nothing: no state, no events, no rows."""

        async def run(command: Run, accounts: Repository[Account], unit: UnitOfWork) -> str:
            (await accounts.get("a")).record(Deposited(account_id="a", amount=Decimal(100)))
            unit.record(Deposited(account_id="a", amount=Decimal(100)))
            await (await unit.transaction()).log.append("aside", [event()], expected=0)
            raise LookupError("no")

        for event_sourced in (False, True):
            async with (
                new_store([Total]) as store,
                running(store, handled(run), transfers(), work=False, event_sourced=event_sourced) as app,
            ):
                await app.dispatch(Open(account_id="a"))
                head, before = await store.log.head(), await standing(store)
                with pytest.raises(LookupError):
                    await app.dispatch(Run())
                assert await store.log.head() == head
                assert await standing(store) == before
                assert await app.dispatch(Deposit(account_id="a", amount=Decimal(1))) == 1

    async def test_a_failing_inline_projection_keeps_nothing(self, new_store: NewStore) -> None:
        """An inline projection that raises fails its command with its own error. Nothing is stored."""
        router = Router("failing")

        @router.projection("failing", mode="inline")
        class Failing:
            @on(Deposited)
            async def deposited(self, event: Deposited) -> None:
                raise LookupError("no row for this")

        async with new_store([Total]) as store, running(store, transfers(), router, work=False) as app:
            await app.dispatch(Open(account_id="a"))
            with pytest.raises(LookupError, match="no row for this"):
                await app.dispatch(Transfer())
            assert await standing(store) == OPENED

    async def test_nothing_is_seen_before_the_commit(self, new_store: NewStore) -> None:
        """Readers and subscribers see nothing of a command before its commit, and all of it afterwards."""
        seen: list[str] = []
        looked: list[object] = []
        router = Router("listening")

        @router.event_handler(Opened, Deposited, name="listening")
        async def listen(event: Event) -> None:
            seen.append(type(event).__name__)

        async def look(point: str, about: str) -> None:
            if (point, about) == (BEFORE_COMMIT, "account-b"):
                looked.extend((await standing(store), len((await store.log.read_all()).events)))
                if looked == [OPENED, 1]:
                    await settled(app)
                    looked.extend(seen)

        async with new_store([Total]) as store, running(watched(store, look), transfers(), router) as app:
            await app.dispatch(Open(account_id="a"))
            await settled(app)
            await app.dispatch(Transfer())
            assert looked == [OPENED, 1, "Opened"]
            assert await standing(store) == TRANSFERRED
            await settled(app)
            assert seen == ["Opened", "Deposited", "Opened", "Deposited"]

    async def test_an_undone_savepoint_drops_its_events(self, new_store: NewStore) -> None:
        """A failed savepoint rolls back its events, aggregates and writes. The rest commits."""

        async def run(command: Run, accounts: Repository[Account], unit: UnitOfWork) -> str:
            account = await accounts.get("a")
            account.record(Deposited(account_id="a", amount=Decimal(1)))
            with pytest.raises(LookupError):
                async with unit.savepoint():
                    account.record(Deposited(account_id="a", amount=Decimal(100)))
                    unit.record(Deposited(account_id="b", amount=Decimal(100)), stream="account-b")
                    await accounts.add(Account.begin(Opened(account_id="b")))
                    await (await unit.transaction()).log.append("aside", [event()], expected=0)
                    raise LookupError
            assert await accounts.find("b") is None
            return str(account.balance)

        async with new_store([Total]) as store, running(store, handled(run), transfers(), work=False) as app:
            await app.dispatch(Open(account_id="a"))
            assert await app.dispatch(Run()) == "1"
            assert await standing(store) == DEPOSITED
            assert [stored.stream for stored in (await store.log.read_all()).events] == ["account-a", "account-a"]

    async def test_a_swallowed_refusal_dooms_the_unit(self, new_store: NewStore) -> None:
        """After a handler has suppressed an error of the store, the unit of work can be neither used nor committed."""

        async def run(command: Run, accounts: Repository[Account], unit: UnitOfWork) -> str:
            account = await accounts.get("a")
            transaction = await unit.transaction()
            with pytest.raises(ConcurrencyConflict):
                await transaction.log.append("account-a", (), expected=7)
            account.record(Deposited(account_id="a", amount=Decimal(100)))
            return "swallowed"

        async def look(command: Run, accounts: Repository[Account], unit: UnitOfWork) -> str:
            await run(command, accounts, unit)
            with pytest.raises(UnitOfWorkDoomed):
                await accounts.find("b")
            return "looked"

        for handler in (run, look):
            async with new_store([Total]) as store, running(store, handled(handler), work=False) as app:
                await app.dispatch(Open(account_id="a"))
                with pytest.raises(UnitOfWorkDoomed):
                    await app.dispatch(Run())
                assert await standing(store) == OPENED
                assert await app.dispatch(Deposit(account_id="a", amount=Decimal(1))) == 1

    async def test_a_swallowed_failure_dooms_the_unit(self, new_store: NewStore) -> None:
        """The same holds for a failure while an aggregate is loaded, such as a deadlock."""
        trip = Trip()

        async def run(command: Run, accounts: Repository[Account]) -> str:
            (await accounts.get("a")).record(Deposited(account_id="a", amount=Decimal(100)))
            with pytest.raises(TransientFailure):
                await accounts.find("b")
            with pytest.raises(UnitOfWorkDoomed):
                await accounts.find("b")
            return "swallowed"

        async with new_store([Total]) as store, running(watched(store, trip), handled(run), work=False) as app:
            await app.dispatch(Open(account_id="a"))
            trip.at((AFTER_LOAD, "b"))
            with pytest.raises(UnitOfWorkDoomed):
                await app.dispatch(Run())
            assert await standing(store) == OPENED

    async def test_a_retry_runs_the_whole_handler_again(self, new_store: NewStore) -> None:
        """After a conflict or a transient failure, `retry_conflicts` runs the handler again with a new unit of work.

        It counts once.
        """
        trip = Trip()
        units: list[UnitOfWork] = []

        async def run(command: Run, accounts: Repository[Account], unit: UnitOfWork) -> str:
            units.append(unit)
            account = await accounts.get("a")
            account.record(Deposited(account_id="a", amount=Decimal(1)))
            return str(account.balance)

        router = handled(run)
        router.use(retry_conflicts(attempts=3, delay=0.0))
        async with new_store([Total]) as store, running(watched(store, trip), router, transfers(), work=False) as app:
            await app.dispatch(Open(account_id="a"))
            balance = 0
            for error in (TransientFailure("it trips"), ConcurrencyConflict("account-a", expected=1, actual=2)):
                for point, about in ((AFTER_LOAD, "a"), (AFTER_APPEND, "account-a"), (BEFORE_COMMIT, "account-a")):
                    units.clear()
                    trip.at((point, about), error, times=2)
                    balance += 1
                    assert await app.dispatch(Run()) == str(balance)
                    assert len({id(unit) for unit in units}) == 3
                    assert (await standing(store))[0] == Standing(Decimal(balance), Decimal(balance), balance + 1)

    async def test_a_cancelled_command_leaves_nothing_open(self, new_store: NewStore) -> None:
        """Commands that are cancelled at any point leave nothing open and do not block others."""
        reached = anyio.Event()
        at = "", ""

        async def hold(point: str, about: str) -> None:
            if (point, about) == at:
                reached.set()
                await anyio.sleep_forever()

        async with new_store([Total]) as store, running(watched(store, hold), transfers(), work=False) as app:
            await app.dispatch(Open(account_id="a"))
            for at in [
                (AFTER_LOAD, "a"),
                (AFTER_SAVE, "a"),
                (AFTER_APPEND, "account-a"),
                (BEFORE_COMMIT, "account-b"),
            ] * 5:
                reached = anyio.Event()
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(app.dispatch, Transfer())
                    await reached.wait()
                    tasks.cancel_scope.cancel()
                assert await standing(store) == OPENED, at
            at = "", ""
            assert await app.dispatch(Transfer()) == "transferred"
            assert await standing(store) == TRANSFERRED
