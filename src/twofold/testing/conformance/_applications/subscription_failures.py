"""Subscriptions that fail, crash, stop or lose a race: no event is lost, and none takes effect twice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from uuid import uuid4

import anyio
import anyio.lowlevel

from twofold import Application, CommandBus, ReadModel, Router, on
from twofold.ports import Checkpoint, Expected, NewEvent, RowChange, WriteStore

from .._domain.audit import ONCE, Audit, audited, auditing, auditing_only, deposits, running, settled, stop_at_once
from .._domain.bank import Deposit, GetBalance, Open, Opened, application
from .._domain.raising import RAISING, raise_for
from .._tools.opened import NewStore, writing
from .._tools.watched import AROUND_A_CHECKPOINT, READ, Hook, watched


def crashing(point: str, *subscriptions: str) -> tuple[Hook, set[str]]:
    """Return a hook that fails once at a point for each of these subscriptions, and the set of those still to fail."""
    waiting = set(subscriptions)

    async def crash(at: str, about: str) -> None:
        if at == point and about in waiting:
            waiting.remove(about)
            raise OSError(f"crash {point} of {about}")

    return crash, waiting


def welcoming(during: Callable[[], Awaitable[None]] = anyio.lowlevel.checkpoint) -> Router:
    """Return a router with the event handler "welcome", which deposits 10 in each new account and then awaits `during`."""
    router = Router("welcome")

    @router.event_handler(Opened, name="welcome", start="beginning", retry=ONCE)
    async def welcome(event: Opened, commands: CommandBus) -> None:
        await commands.dispatch(Deposit(account_id=event.account_id, amount=Decimal(10)))
        await during()

    return router


async def fail() -> None:
    """Fail a handler."""
    raise LookupError("on purpose")


async def balance(app: Application, account: str) -> Decimal | None:
    """Return the balance in the read model."""
    row = await app.execute(GetBalance(account_id=account))
    return None if row is None else row.balance


class SubscriptionFailures:
    """The cases of `SubscriptionSuite` about failures."""

    async def test_a_crash_around_the_checkpoint_applies_each_event_once(self, new_store: NewStore) -> None:
        """After any failure between the rows and the checkpoint, each event changes the rows of each projection once."""
        for point in AROUND_A_CHECKPOINT:
            crash, waiting = crashing(point, "balances", "audit")
            async with new_store([]) as store:
                async with running(store, work=False) as app:
                    await deposits(app, "a", "b")
                async with running(watched(store, crash), auditing()) as app:
                    await settled(app)
                    assert await audited(app, "a", "b") == dict.fromkeys("ab", ("opened", "1"))
                    assert {await balance(app, account) for account in "ab"} == {1}
                    assert await app.operations.parked("audit") == []
            assert not waiting

    async def test_an_event_handler_commits_its_commands_with_its_checkpoint(self, new_store: NewStore) -> None:
        """Commands of an event handler take effect once, after any failure around its checkpoint."""
        for point in ("nowhere", *AROUND_A_CHECKPOINT):
            crash, waiting = crashing(point, "welcome")
            async with new_store([]) as store, running(watched(store, crash), welcoming()) as app:
                await app.dispatch(Open(account_id="a"))
                await settled(app)
                assert await app.operations.parked("welcome") == []
                assert await balance(app, "a") == 10
                assert await app.dispatch(Deposit(account_id="a", amount=Decimal(1))) == 11
            assert bool(waiting) is (point == "nowhere")

    async def test_the_changes_of_a_failing_event_handler_are_undone(self, new_store: NewStore) -> None:
        """The commands of a failing event handler are rolled back. Its event is parked in the same transaction."""
        async with new_store([]) as store, running(store, welcoming(fail)) as app:
            await app.dispatch(Open(account_id="a"))
            await settled(app)
            assert [(each.key, each.attempts) for each in await app.operations.parked("welcome")] == [("account-a", 2)]
            assert await app.dispatch(Deposit(account_id="a", amount=Decimal(1))) == 1
            assert [event.version async for event in store.log.read("account-a")] == [1, 2]

    async def test_a_step_behind_a_moved_checkpoint_is_refused(self, new_store: NewStore) -> None:
        """A worker whose checkpoint another worker has moved writes nothing, and resumes from the new checkpoint."""
        async with new_store([]) as store:
            async with running(store, auditing(), work=False) as app:
                await deposits(app, "a")
                await app.dispatch(Deposit(account_id="a", amount=Decimal(2)))
            position = [event.position async for event in store.log.read("account-a")][1]
            overtaken: list[str] = []

            async def overtake(at: str, about: str) -> None:
                if at == READ and not overtaken:
                    overtaken.append(at)
                    async with writing(store) as other:
                        row = Audit(account_id="a", seen=("by another worker",))
                        await other.rows(Audit).write([RowChange("a", row, position)])
                        expected = await store.subscriptions.checkpoint("audit")
                        to = Checkpoint(position, await store.log.identity())
                        await other.checkpoints.advance("audit", expected=expected, to=to)

            async with auditing_only(watched(store, overtake)) as app:
                await settled(app)
                assert await audited(app, "a") == {"a": ("by another worker", "2")}
            assert overtaken

    async def test_the_failing_one_of_three_event_handlers_is_retried_alone(self, new_store: NewStore) -> None:
        """If one of three event handlers of an event fails, only this handler is retried."""
        runs: list[str] = []
        router = Router("three")

        @router.event_handler(Opened, name="first")
        async def first(event: Opened) -> None:
            runs.append("first")

        @router.event_handler(Opened, name="middle", retry=ONCE)
        async def middle(event: Opened) -> None:
            runs.append("middle")
            if runs.count("middle") == 1:
                raise LookupError("once")

        @router.event_handler(Opened, name="last")
        async def last(event: Opened) -> None:
            runs.append("last")

        async with new_store([]) as store, running(store, router) as app:
            await app.dispatch(Open(account_id="a"))
            await settled(app)
            assert await app.operations.parked("middle") == []
        assert (runs.count("first"), runs.count("middle"), runs.count("last")) == (1, 2, 1)

    async def test_a_poison_event_parks_its_key_and_others_flow(self, new_store: NewStore) -> None:
        """A failing event is parked together with later events of its key, and its writes are rolled back.

        Other keys continue.
        """
        async with new_store([]) as store, running(store, auditing(fail_on=["bad"])) as app:
            await deposits(app, "good", "bad", "fine")
            await app.dispatch(Deposit(account_id="bad", amount=Decimal(2)))
            await app.dispatch(Deposit(account_id="good", amount=Decimal(2)))
            await settled(app)
            parked = await app.operations.parked("audit")
            assert [(each.key, each.event.version, each.attempts) for each in parked] == [
                ("account-bad", 2, 2),
                ("account-bad", 3, 0),
            ]
            assert "LookupError: bad" in parked[0].reason
            assert await audited(app, "good", "bad", "fine") == {
                "good": ("opened", "1", "2"),
                "bad": ("opened",),
                "fine": ("opened", "1"),
            }
            assert {each.name: each.parked for each in await app.operations.status()} == {"balances": 0, "audit": 2}

    async def test_a_failure_is_parked_whatever_its_words(self, new_store: NewStore) -> None:
        """An event is parked even if its error message cannot be encoded."""
        router = Router("words")

        @router.projection("words", retry=ONCE)
        class Words:
            def __init__(self, rows: ReadModel[Audit]) -> None: ...

            @on(Opened)
            async def opened(self, event: Opened) -> None:
                if event.account_id == "bad":
                    raise FileNotFoundError("no file b\udcff\x00.txt, naïve ☕")

        async with new_store([]) as store, running(store, router) as app:
            for account in ("bad", "good"):
                await app.dispatch(Open(account_id=account))
            await settled(app)
            (parked,) = await app.operations.parked("words")
            assert parked.key == "account-bad"
            assert parked.reason == "FileNotFoundError: no file b\\udcff\\x00.txt, naïve ☕"

    async def test_an_event_is_parked_whatever_it_raises(self, new_store: NewStore) -> None:
        """Projections and event handlers park the event, and continue with the events of other keys."""
        router, names = Router("raising"), [*RAISING, "good"]

        @router.projection("rows", retry=ONCE)
        class Rows:
            def __init__(self, rows: ReadModel[Audit]) -> None:
                self.rows = rows

            @on(Opened)
            async def opened(self, event: Opened) -> None:
                raise_for(event.account_id)
                await self.rows.put(Audit(account_id=event.account_id, seen=("opened",)))

        @router.event_handler(Opened, name="handler", start="beginning", retry=ONCE)
        async def handler(event: Opened, commands: CommandBus) -> None:
            await commands.dispatch(Deposit(account_id=event.account_id, amount=Decimal(1)))
            raise_for(event.account_id)

        async with new_store([]) as store, running(store, router) as app:
            for name in names:
                await app.dispatch(Open(account_id=name))
            await settled(app)
            for subscription in ("rows", "handler"):
                parked = await app.operations.parked(subscription)
                assert {each.key for each in parked} == {f"account-{name}" for name in RAISING}
            assert {name: await balance(app, name) for name in names} == {name: int(name == "good") for name in names}
            assert {each.state for each in await app.operations.status()} == {"running"}

    async def test_a_parked_key_stays_parked(self, new_store: NewStore) -> None:
        """After a restart, later events of a parked key are parked as well. Other keys continue."""
        async with new_store([]) as store:
            async with running(store, auditing(fail_on=["bad"])) as app:
                await deposits(app, "bad")
                await settled(app)
            async with running(store, auditing()) as app:
                await deposits(app, "good")
                await app.dispatch(Deposit(account_id="bad", amount=Decimal(2)))
                await settled(app)
                assert [(each.event.version, each.attempts) for each in await app.operations.parked("audit")] == [
                    (2, 2),
                    (3, 0),
                ]
                assert await audited(app, "good", "bad") == {"good": ("opened", "1"), "bad": ("opened",)}

    async def test_an_undecodable_event_is_parked(self, new_store: NewStore) -> None:
        """An undecodable event is parked with the reason at the first attempt. It is never skipped."""
        async with new_store([]) as store:
            broken = NewEvent(uuid4(), "bank.deposited", 1, '{"amount": "many"}', "{}", datetime.now(UTC))
            async with writing(store) as transaction:
                await transaction.log.append("account-broken", [broken], expected=Expected.ANY)
            async with running(store, auditing()) as app:
                await deposits(app, "good")
                await settled(app)
                parked = await app.operations.parked("audit")
                assert [(each.event.id, each.key, each.attempts, each.again) for each in parked] == [
                    (broken.id, "account-broken", 0, None)
                ]
                assert "UndecodableEvent" in parked[0].reason
                assert await audited(app, "good") == {"good": ("opened", "1")}

    async def test_cancelling_a_projection_parks_and_loses_nothing(self, new_store: NewStore) -> None:
        """An application that stops during a projection resumes at the same event later. No event is parked."""
        async with new_store([]) as store:
            await self._stop_in_the_middle(store, lambda during: auditing(during=during))
            async with running(store, auditing()) as app:
                await settled(app)
                assert await app.operations.parked("audit") == []
                assert await audited(app, "a") == {"a": ("opened",)}

    async def test_cancelling_an_event_handler_parks_and_loses_nothing(self, new_store: NewStore) -> None:
        """An application that stops during an event handler resumes at the same event later. No event is parked."""
        async with new_store([]) as store:
            await self._stop_in_the_middle(store, welcoming)
            async with running(store, welcoming()) as app:
                await settled(app)
                assert await app.operations.parked("welcome") == []
                assert await app.dispatch(Deposit(account_id="a", amount=Decimal(1))) == 11

    async def test_stopping_under_load_loses_nothing(self, new_store: NewStore) -> None:
        """An application that stops repeatedly while others write loses no event and parks none."""
        written: dict[str, tuple[str, ...]] = {}
        handling, enough = [anyio.Event()], anyio.Event()

        async def handled() -> None:
            handling[0].set()
            await anyio.lowlevel.checkpoint()

        async def write(app: Application, account: str) -> None:
            await app.dispatch(Open(account_id=account))
            written[account] = ("opened",)
            for amount in count(1):
                if enough.is_set():
                    return
                await app.dispatch(Deposit(account_id=account, amount=Decimal(amount)))
                written[account] += (f"{amount}",)

        async with new_store([]) as store:
            worker = await application(store, auditing(during=handled))
            async with running(store, work=False) as writer, anyio.create_task_group() as writers:
                for account in "abc":
                    writers.start_soon(write, writer, account)
                for times in range(6):
                    handling[0] = anyio.Event()
                    async with worker:
                        await handling[0].wait()
                        if times % 2:
                            stop_at_once(worker)
                enough.set()
            async with running(store, auditing()) as app:
                await settled(app)
                assert await app.operations.parked("audit") == []
                assert await audited(app, *written) == written

    async def _stop_in_the_middle(
        self, store: WriteStore, router: Callable[[Callable[[], Awaitable[None]]], Router]
    ) -> None:
        """Open an account, and stop while the handler of the router runs."""
        reached = anyio.Event()

        async def hold() -> None:
            reached.set()
            await anyio.sleep_forever()

        async with running(store, router(hold)) as app:
            await app.dispatch(Open(account_id="a"))
            await reached.wait()
            stop_at_once(app)
