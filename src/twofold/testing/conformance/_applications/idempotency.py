"""Commands that take effect once, however often they are sent: with an idempotency key, or as a message from a broker."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import anyio
import pytest

from twofold import Application, Command
from twofold.errors import CommitUnknown, IdempotencyKeyReused

from .._domain.audit import running
from .._domain.bank import Balance, Deposit, GetBalance, Open, application
from .._domain.payments import PAY, Crash, Look, Pay, PayTwice, Receipt, balance, paying
from .._domain.transfers import Trip
from .._tools.dial import Dial
from .._tools.opened import NewStore
from .._tools.watched import AFTER_COMMIT, BEFORE_COMMIT, watched

REPEATS = range(20)


class IdempotencySuite:
    """The promises of idempotent commands on a store. Needs the fixture `new_store`."""

    async def test_a_repeat_returns_the_first_result(self, new_store: NewStore) -> None:
        """The handler runs once. Each repeat returns an equal result of the same types, also in another application."""
        async with (
            new_store([]) as store,
            running(store, paying()) as app,
            running(store, paying(), work=False) as other,
        ):
            await app.dispatch(Open(account_id="a"))
            first = await app.dispatch(PAY, idempotency_key="k")
            assert await app.dispatch(PAY, idempotency_key="k") == first
            again = await other.dispatch(Pay(account_id="a", amount=Decimal("2.50")), idempotency_key="k")
            assert (type(again), again) == (Receipt, first)
            assert await balance(app) == Decimal("2.50")
            assert await app.dispatch(PAY, idempotency_key="another") != first
            assert await balance(app) == Decimal("5.00")

    async def test_a_key_belongs_to_one_command(self, new_store: NewStore) -> None:
        """The same key with other fields, or with another command, raises an error and has no effect."""
        async with new_store([]) as store, running(store, paying()) as app:
            await app.dispatch(Open(account_id="a"))
            await app.dispatch(PAY, idempotency_key="k")
            others: list[tuple[Command[Any], str]] = [
                (Pay(account_id="a", amount=Decimal("2.51")), "another payload"),
                (Deposit(account_id="a", amount=Decimal("2.50")), "for Pay"),
            ]
            for command, found in others:
                with pytest.raises(IdempotencyKeyReused, match=found) as caught:
                    await app.dispatch(command, idempotency_key="k")
                assert caught.value.key == "k"
            assert await balance(app) == Decimal("2.50")

    async def test_concurrent_duplicates_have_one_effect(self, new_store: NewStore) -> None:
        """Concurrent dispatches with the same idempotency key run the handler once and return equal results."""
        started, all_started = 0, anyio.Event()
        seen: list[str] = []
        results: list[Receipt] = []

        async def dispatch(app: Application) -> None:
            nonlocal started
            started += 1
            if started == len(REPEATS):
                all_started.set()
            results.append(await app.dispatch(PAY, idempotency_key="k"))

        module = paying(seen=seen, during=all_started.wait)
        async with new_store([]) as store, running(store, module) as app, running(store, module, work=False) as other:
            await app.dispatch(Open(account_id="a"))
            async with anyio.create_task_group() as tasks:
                for number in REPEATS:
                    tasks.start_soon(dispatch, other if number % 2 else app)
            assert results == [results[0]] * len(REPEATS)
            assert seen == ["a"]
            assert await balance(app) == Decimal("2.50")

    async def test_a_failure_leaves_the_key_free(self, new_store: NewStore) -> None:
        """A failed dispatch releases its key. The next dispatch runs, even if it was already waiting."""
        seen: list[str] = []
        results: list[Receipt] = []
        first_runs, second_waits = anyio.Event(), anyio.Event()

        async def during() -> None:
            if len(seen) == 1:
                first_runs.set()
                await second_waits.wait()
                raise Crash

        async def first(app: Application) -> None:
            with pytest.raises(Crash):
                await app.dispatch(PAY, idempotency_key="k")

        async def second(app: Application) -> None:
            results.append(await app.dispatch(PAY, idempotency_key="k"))

        module = paying(seen=seen, during=during)
        async with new_store([]) as store, running(store, module) as app, running(store, module, work=False) as other:
            await app.dispatch(Open(account_id="a"))
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(first, app)
                await first_runs.wait()
                tasks.start_soon(second, other)
                await anyio.wait_all_tasks_blocked()
                second_waits.set()
            assert len(seen) == 2
            assert [each.number for each in results] == [2]
            assert await app.dispatch(PAY, idempotency_key="k") == results[0]
            assert await balance(app) == Decimal("2.50")

    async def test_a_crash_around_the_commit(self, new_store: NewStore) -> None:
        """A crash before the commit stores nothing, and a crash after it stores everything.

        A repeat returns the right result.
        """
        for point, handled in ((BEFORE_COMMIT, 2), (AFTER_COMMIT, 1)):
            crashing = [point]
            seen: list[str] = []

            async def crash(now: str, about: str, crashing: list[str] = crashing) -> None:
                if about == "account-a" and now in crashing:
                    crashing.clear()
                    raise Crash

            async with new_store([]) as store, running(store) as app:
                await app.dispatch(Open(account_id="a"))
                async with running(watched(store, crash), paying(seen=seen), work=False) as dying:
                    with pytest.raises(Exception, match="Crash"):
                        await dying.dispatch(PAY, idempotency_key="k")
                async with running(store, paying(seen=seen), work=False) as other:
                    first = await other.dispatch(PAY, idempotency_key="k")
                    assert await other.dispatch(PAY, idempotency_key="k") == first
                    assert len(seen) == handled
                    assert await balance(other) == Decimal("2.50")

    async def test_an_unknown_commit_is_resolved_by_its_key(self, new_store: NewStore) -> None:
        """Middleware does not repeat a commit with an unknown outcome. A repeat with the same key is safe.

        A redelivered message is safe in the same way.
        """
        seen: list[str] = []
        trip = Trip()
        async with (
            new_store([]) as store,
            running(watched(store, trip), paying(seen=seen), work=False) as app,
        ):
            await app.dispatch(Open(account_id="a"))
            for number, point in enumerate((BEFORE_COMMIT, AFTER_COMMIT), 1):
                seen.clear()
                trip.at((point, "account-a"), OSError("the line is cut"))
                with pytest.raises(CommitUnknown):
                    await app.dispatch(PAY, idempotency_key=point)
                assert seen == ["a"]
                await app.dispatch(PAY, idempotency_key=point)
                assert await balance(app) == number * Decimal("2.50")
            for point, first in ((BEFORE_COMMIT, True), (AFTER_COMMIT, False)):
                seen.clear()
                trip.at((point, "account-a"), OSError("the line is cut"))
                async with app.session() as session:
                    with pytest.raises(CommitUnknown):
                        await session.receive("consumer", point, PAY)
                    assert seen == ["a"]
                    assert await session.receive("consumer", point, PAY) is first
            assert await balance(app) == 4 * Decimal("2.50")

    async def test_each_tenant_has_its_keys(self, new_store: NewStore) -> None:
        """Sessions of two tenants, and a session without a tenant, can use the same key for different commands."""
        async with new_store([]) as store, running(store, paying()) as app:
            for account in "abc":
                await app.dispatch(Open(account_id=account))
            for account, tenant in (("a", None), ("b", "blue"), ("c", "cyan")):
                payment = Pay(account_id=account, amount=Decimal(1))
                first = await app.session(tenant=tenant).dispatch(payment, idempotency_key="k")
                assert await app.session(tenant=tenant).dispatch(payment, idempotency_key="k") == first
            assert [await balance(app, account) for account in "abc"] == [1, 1, 1]

    async def test_a_duplicate_reads_the_writes_of_the_first_dispatch(self, new_store: NewStore) -> None:
        """A repeated command moves its session to the position of the first one.

        If the first wrote nothing, the token stays.
        """
        async with (
            new_store([]) as store,
            running(store, paying()) as app,
            running(store, paying(), work=False) as other,
        ):
            await app.dispatch(Open(account_id="a"))
            first, second = app.session(), other.session()
            await first.dispatch(PAY, idempotency_key="k")
            await second.dispatch(PAY, idempotency_key="k")
            assert first.token == second.token != ""
            assert await second.execute(GetBalance(account_id="a")) == Balance(account_id="a", balance=Decimal("2.50"))
            for session in (app.session(), other.session()):
                assert await session.dispatch(Look(account_id="a"), idempotency_key="look") == Decimal("2.50")
                assert session.token == ""

    async def test_a_message_is_handled_once(self, new_store: NewStore) -> None:
        """A redelivered message is not handled again. Each consumer handles it once."""
        async with (
            new_store([]) as store,
            running(store, paying()) as app,
            running(store, paying(), work=False) as other,
        ):
            await app.dispatch(Open(account_id="a"))
            assert await app.session().receive("billing", "m1", PAY)
            assert not await app.session().receive("billing", "m1", PAY)
            assert not await other.session().receive("billing", "m1", PAY)
            assert await other.session().receive("ledger", "m1", PAY)
            assert await balance(app) == Decimal("5.00")

    async def test_a_failed_message_is_handled_when_it_comes_again(self, new_store: NewStore) -> None:
        """A failed delivery does not record the message: the redelivery is handled."""
        async with new_store([]) as store, running(store, paying()) as app:
            for _ in range(2):
                with pytest.raises(LookupError):
                    await app.session().receive("billing", "m1", PAY)
            await app.dispatch(Open(account_id="a"))
            assert await app.session().receive("billing", "m1", PAY)
            assert await balance(app) == Decimal("2.50")

    async def test_duplicates_in_a_batch(self, new_store: NewStore) -> None:
        """Two applications that receive batches with duplicate ids at the same time handle each id once.

        All calls return.
        """
        seen: list[str] = []
        first: list[str] = []
        started, all_started = 0, anyio.Event()
        batch = ["1", "2", "1", "3", "2", "1"] * 2

        async def receive(app: Application, id: str) -> None:
            nonlocal started
            started += 1
            if started == len(batch):
                all_started.set()
            if await app.session().receive("billing", id, PAY):
                first.append(id)

        module = paying(seen=seen, during=all_started.wait)
        async with new_store([]) as store, running(store, module) as app, running(store, module, work=False) as other:
            await app.dispatch(Open(account_id="a"))
            async with anyio.create_task_group() as tasks:
                for number, each in enumerate(batch):
                    tasks.start_soon(receive, other if number % 2 else app, each)
            assert sorted(first) == ["1", "2", "3"]
            assert await balance(app) == Decimal("7.50")

    async def test_a_nested_key_goes_with_the_outer_command(self, new_store: NewStore) -> None:
        """A command with a key that a handler dispatches commits or rolls back with the outer command."""
        seen: list[str] = []
        async with new_store([]) as store, running(store, paying(seen=seen)) as app:
            await app.dispatch(Open(account_id="a"))
            with pytest.raises(Crash):
                await app.dispatch(PayTwice(account_id="a", fail=True))
            session = app.session()
            first, second = await session.dispatch(PayTwice(account_id="a"))
            assert first == second
            later = app.session()
            assert await later.dispatch(PAY, idempotency_key="k") == first
            assert later.token == session.token
            assert len(seen) == 2
            assert await balance(app) == Decimal("2.50")

    async def test_old_records_are_deleted(self, new_store: NewStore) -> None:
        """Keys and messages older than the given age are deleted and take effect again. Newer ones stay."""
        dial = Dial()
        async with new_store([]) as store:
            app = await application(store, paying(), work=False, clock=dial)
            async with app:
                await app.dispatch(Open(account_id="a"))
                first = await app.dispatch(PAY, idempotency_key="old")
                assert await app.session().receive("billing", "old", PAY)
                dial.time += timedelta(days=1)
                young = await app.dispatch(PAY, idempotency_key="young")
                assert await app.session().receive("billing", "young", PAY)
                assert await app.operations.delete_records(older_than=timedelta(days=1)) == 0
                dial.time += timedelta(seconds=1)
                assert await app.operations.delete_records(older_than=timedelta(days=1)) == 2
                assert await app.dispatch(PAY, idempotency_key="young") == young
                assert not await app.session().receive("billing", "young", PAY)
                assert await app.dispatch(PAY, idempotency_key="old") != first
                assert await app.session().receive("billing", "old", PAY)
                assert await balance(app) == Decimal("15.00")
