"""Subscriptions: projections and reactions behind the log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import anyio
import pytest

from twofold import Application, Command, CommandBus, Event, Module, Query, ReadModel, Retry, UnitOfWork, View, on
from twofold._entries import Start
from twofold.errors import AggregateNotFound, ForeignLog, InvalidToken, ReadNotReady, UsedFromAnotherTask
from twofold.ports import Checkpoint, WriteStore
from twofold.testing.conformance._bank import (
    Balance,
    Balances,
    Deposit,
    Deposited,
    GetBalance,
    Open,
    Opened,
    application,
    bank,
)
from twofold_memory import InMemory

ONCE = Retry(attempts=2, delay=0.001)


class Unwanted(Event, name="bank.unwanted"):
    """An event that no subscription takes."""


class Emit(Command[None]):
    events: tuple[Unwanted, ...]


class Audit(View, name="audit", key="account_id"):
    account_id: str
    seen: tuple[str, ...] = ()


class GetAudit(Query["Audit | None"]):
    account_id: str


@asynccontextmanager
async def bank_with(store: WriteStore, *modules: Module, **options: Any) -> AsyncIterator[Application]:
    """Run the bank with some modules, and fail instead of hanging."""
    app = await application(store, *modules, **options)
    with anyio.fail_after(30):
        async with app:
            yield app


async def deposits(app: Application, *accounts: str) -> None:
    """Open accounts and deposit one in each."""
    for account in accounts:
        await app.dispatch(Open(account_id=account))
        await app.dispatch(Deposit(account_id=account, amount=Decimal(1)))


def auditing(fail_on: set[str], seen: list[str] | None = None, retry: Retry = ONCE) -> Module:
    """Return a module whose projection fails for some accounts."""
    module = Module("audit")

    @module.projection("audit", retry=retry)
    class Auditing:
        def __init__(self, rows: ReadModel[Audit]) -> None:
            self.rows = rows

        @on(Opened, Deposited)
        async def happened(self, event: Opened | Deposited) -> None:
            row = await self.rows.get(event.account_id) or Audit(account_id=event.account_id)
            await self.rows.put(Audit(account_id=row.account_id, seen=(*row.seen, type(event).__name__)))
            if seen is not None:
                seen.append(f"{type(event).__name__} {event.account_id}")
            if event.account_id in fail_on and isinstance(event, Deposited):
                raise LookupError(event.account_id)

    @module.query_handler(GetAudit, reads="audit")
    async def get_audit(query: GetAudit, rows: ReadModel[Audit]) -> Audit | None:
        return await rows.get(query.account_id)

    return module


async def test_history_then_live_in_order(store: WriteStore) -> None:
    """A projection that starts late takes the history and then what is appended meanwhile, in order, each once."""
    async with bank_with(store, work=False) as app:
        await deposits(app, *(f"old{number}" for number in range(20)))
    seen: list[str] = []
    async with bank_with(store, auditing(set(), seen)) as app:
        await deposits(app, *(f"new{number}" for number in range(20)))
        await app.settle()
    names = [f"old{number}" for number in range(20)] + [f"new{number}" for number in range(20)]
    assert seen == [text for name in names for text in (f"Opened {name}", f"Deposited {name}")]


async def test_a_reaction_begins_where_it_was_told(store: WriteStore) -> None:
    """A reaction begins with what comes from now on, or at the beginning, or behind a position."""
    seen: dict[str, list[str]] = {"now": [], "beginning": [], "position": []}
    async with bank_with(store, work=False) as app:
        await app.dispatch(Open(account_id="a"))
        position = await store.log.head()
        await app.dispatch(Open(account_id="b"))
    module = Module("reactions")
    starts: dict[str, Start] = {"now": "now", "beginning": "beginning", "position": position}
    for name, start in starts.items():

        @module.reaction(Opened, name=name, start=start)
        async def react(event: Opened, name: str = name) -> None:
            seen[name].append(event.account_id)

    async with bank_with(store, module) as app:
        await app.dispatch(Open(account_id="c"))
        await app.settle()
    async with bank_with(store, module) as app:
        await app.settle()
    assert seen == {"now": ["c"], "beginning": ["a", "b", "c"], "position": ["b", "c"]}


async def test_events_that_are_filtered_out_move_the_checkpoint(store: WriteStore) -> None:
    """A subscription passes events that it does not take, also when it takes none of them."""
    module = Module("noise")

    @module.command_handler(Emit)
    async def emit(command: Emit, unit: UnitOfWork) -> None:
        for event in command.events:
            unit.record(event, stream="noise")

    async with bank_with(store, module) as app:
        await app.dispatch(Emit(events=(Unwanted(),) * 3))
        await app.settle()
        (status,) = await app.status()
        assert (status.position, status.behind) == (await store.log.head(), 0)


class CrashOnce:
    """A store whose transactions fail once, at a named point, as a crash there would."""

    def __init__(self, store: WriteStore, point: str) -> None:
        self._store = store
        self._armed = [point]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def begin(self, *, read_only: bool = False) -> Any:
        transaction = await self._store.begin(read_only=read_only)
        return transaction if read_only else _Crashing(transaction, self._armed)


class _Crashing:
    def __init__(self, transaction: Any, armed: list[str]) -> None:
        self._transaction = transaction
        self._armed = armed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transaction, name)

    async def advance(self, *args: Any, **kwargs: Any) -> None:
        self._crash("before advance")
        await self._transaction.advance(*args, **kwargs)
        self._crash("after advance")

    async def commit(self) -> None:
        self._crash("before commit")
        await self._transaction.commit()
        self._crash("after commit")

    def _crash(self, point: str) -> None:
        if point in self._armed:
            self._armed.remove(point)
            raise OSError(f"crash {point}")


@pytest.mark.parametrize("point", ["before advance", "after advance", "before commit", "after commit"])
async def test_a_crash_around_the_checkpoint_applies_each_event_once(store: WriteStore, point: str) -> None:
    """Whatever fails between the rows and the checkpoint, each event changes the rows once."""
    async with bank_with(store, work=False) as app:
        await deposits(app, "a", "b")
    read = CrashOnce(store, point)
    app = Application("bank", write=store, read=read)
    app.include(auditing(set()))
    app.include(bank)
    await app.create_schema()
    with anyio.fail_after(30):
        async with app:
            await app.settle()
            for account in ("a", "b"):
                row = await app.execute(GetAudit(account_id=account))
                assert row is not None
                assert row.seen == ("Opened", "Deposited")
                assert await app.execute(GetBalance(account_id=account)) == Balance(
                    account_id=account, balance=Decimal(1)
                )


async def test_the_failing_one_of_three_reactions_is_retried_alone(store: WriteStore) -> None:
    """Of three reactions to one event the middle one fails once: the others run once, only it is tried again."""
    runs: list[str] = []
    module = Module("three")

    @module.reaction(Opened, name="first")
    async def first(event: Opened) -> None:
        runs.append("first")

    @module.reaction(Opened, name="middle", retry=ONCE)
    async def middle(event: Opened) -> None:
        runs.append("middle")
        if runs.count("middle") == 1:
            raise LookupError("once")

    @module.reaction(Opened, name="last")
    async def last(event: Opened) -> None:
        runs.append("last")

    async with bank_with(store, module) as app:
        await app.dispatch(Open(account_id="a"))
        await app.settle()
        assert await app.parked("middle") == []
    assert (runs.count("first"), runs.count("middle"), runs.count("last")) == (1, 2, 1)


async def test_a_poison_event_parks_its_key_and_others_flow(store: WriteStore) -> None:
    """An event that keeps failing is parked with what follows for its key; what its handler wrote is rolled back."""
    async with bank_with(store, auditing({"bad"})) as app:
        await deposits(app, "good", "bad", "fine")
        await app.dispatch(Deposit(account_id="bad", amount=Decimal(2)))
        await app.dispatch(Deposit(account_id="good", amount=Decimal(2)))
        await app.settle()
        parked = await app.parked("audit")
        assert [(each.key, each.event.version, each.attempts) for each in parked] == [
            ("account-bad", 2, 2),
            ("account-bad", 3, 0),
        ]
        assert "LookupError: bad" in parked[0].reason
        rows = {name: await app.execute(GetAudit(account_id=name)) for name in ("good", "bad", "fine")}
        assert {name: row and row.seen for name, row in rows.items()} == {
            "good": ("Opened", "Deposited", "Deposited"),
            "bad": ("Opened",),
            "fine": ("Opened", "Deposited"),
        }
    async with bank_with(store, auditing(set())) as app:
        await app.dispatch(Deposit(account_id="bad", amount=Decimal(3)))
        await app.settle()
        assert [each.event.version for each in await app.parked("audit")] == [2, 3, 4]


async def test_a_session_is_told_at_once_that_its_event_is_parked(store: WriteStore) -> None:
    """A query does not wait for a read model in which an event of its session is parked."""
    async with bank_with(store, auditing({"bad"})) as app, app.session() as session:
        await session.dispatch(Open(account_id="bad"))
        await session.dispatch(Deposit(account_id="bad", amount=Decimal(1)))
        with pytest.raises(ReadNotReady) as caught:
            await session.execute(GetAudit(account_id="bad"), timeout=25)
        assert caught.value.parked
        answer = await session.execute(GetAudit(account_id="bad"), on_stale="return")
        assert answer.behind is None


async def test_cancelling_a_handler_parks_and_loses_nothing(store: WriteStore) -> None:
    """An application that stops in the middle of a handler goes on there the next time; nothing is parked."""
    reached, hold = anyio.Event(), [True]
    done: list[str] = []
    module = Module("slow")

    @module.reaction(Opened, name="slow", start="beginning", retry=ONCE)
    async def slow(event: Opened) -> None:
        if hold[0]:
            reached.set()
            await anyio.sleep_forever()
        done.append(event.account_id)

    app = await application(store, module)
    with anyio.fail_after(30):
        await app.__aenter__()
        await app.dispatch(Open(account_id="a"))
        await reached.wait()
        assert app._running is not None
        app._running._drain = 0.01
        await app.__aexit__(None, None, None)
    hold[0] = False
    async with bank_with(store, module) as again:
        await again.settle()
        assert await again.parked("slow") == []
    assert done == ["a"]


async def test_a_frozen_projection_is_reported_in_time(store: WriteStore) -> None:
    """When no projection runs, the command succeeds and the query says that the read model is not ready."""
    async with bank_with(store, work=False) as app, app.session() as session:
        assert await session.dispatch(Open(account_id="a")) == "a"
        with pytest.raises(ReadNotReady) as caught:
            await session.execute(GetBalance(account_id="a"), timeout=0.05)
        assert (caught.value.projection, caught.value.behind, caught.value.parked) == ("balances", 1, False)
        with pytest.raises(ReadNotReady):
            await session.execute(GetBalance(account_id="a"), on_stale="raise")
        answer = await session.execute(GetBalance(account_id="a"), on_stale="return")
        assert (answer.value, answer.behind) == (None, 1)


async def test_a_token_is_checked(store: WriteStore) -> None:
    """A text that is no token, and a token of another log, are refused; a failed command leaves it as it was."""
    async with bank_with(store) as app, app.session() as session:
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
        async with bank_with(InMemory()) as other:
            with pytest.raises(ForeignLog):
                other.session(token)


async def test_a_session_belongs_to_its_task(store: WriteStore) -> None:
    """A session used from another task fails with our error."""
    async with bank_with(store) as app, app.session() as session:
        with pytest.raises(ExceptionGroup) as caught:
            async with anyio.create_task_group() as group:
                group.start_soon(session.dispatch, Open(account_id="a"))
        assert caught.group_contains(UsedFromAnotherTask)


async def test_a_reaction_commits_its_commands_with_its_checkpoint(store: WriteStore) -> None:
    """What a reaction dispatches is committed with its checkpoint, so it happens once."""
    module = Module("welcome")

    @module.reaction(Opened, name="welcome", retry=ONCE)
    async def welcome(event: Opened, commands: CommandBus) -> None:
        await commands.dispatch(Deposit(account_id=event.account_id, amount=Decimal(10)))

    async with bank_with(store, module) as app:
        await app.dispatch(Open(account_id="a"))
        await app.settle()
        assert await app.execute(GetBalance(account_id="a")) == Balance(account_id="a", balance=Decimal(10))
        assert await app.parked("welcome") == []


async def test_an_inline_projection_is_committed_with_the_command(store: WriteStore) -> None:
    """An inline projection has the rows of a command as soon as it returns, those of the history too, and fails with it."""
    module = Module("inline")

    @module.projection("inline", mode="inline")
    class Inline:
        def __init__(self, rows: ReadModel[Audit]) -> None:
            self.rows = rows

        @on(Opened)
        async def opened(self, event: Opened) -> None:
            if event.account_id == "bad":
                raise LookupError("bad")
            await self.rows.put(Audit(account_id=event.account_id))

    @module.query_handler(GetAudit, reads="inline")
    async def get_audit(query: GetAudit, rows: ReadModel[Audit]) -> Audit | None:
        return await rows.get(query.account_id)

    async with bank_with(store, work=False) as app:
        await app.dispatch(Open(account_id="old"))
    for _ in range(2):
        async with bank_with(store, module, work=False) as app, app.session() as session:
            assert await session.execute(GetAudit(account_id="old")) is not None
            if await app.execute(GetAudit(account_id="new")) is None:
                await session.dispatch(Open(account_id="new"))
            assert await session.execute(GetAudit(account_id="new"), on_stale="raise") is not None
            with pytest.raises(LookupError):
                await session.dispatch(Open(account_id="bad"))
    assert len([event async for event in store.log.read("account-bad")]) == 0


async def test_a_checkpoint_of_another_log_is_recognised(store: WriteStore) -> None:
    """An application does not start on checkpoints that belong to another log."""
    app = await application(store)
    transaction = await store.begin()
    await transaction.advance("balances", expected=None, to=Checkpoint(await store.log.head(), "another log"))
    await transaction.commit()
    with pytest.raises(ForeignLog):
        await app.__aenter__()


async def test_an_application_is_entered_and_left_in_different_tasks(store: WriteStore) -> None:
    """Background work belongs to no task of the user."""
    app = await application(store)
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(app.__aenter__)
        await app.dispatch(Open(account_id="a"))
        await app.settle()
        assert await app.execute(GetBalance(account_id="a")) is not None
        async with anyio.create_task_group() as group:
            group.start_soon(app.__aexit__, None, None, None)


def test_the_projection_is_a_plain_class() -> None:
    """Decorators return what they decorate."""
    assert isinstance(Balances, type)
