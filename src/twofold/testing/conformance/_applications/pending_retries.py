"""Pending retries: while a failing event waits, other keys continue, and later events of its key follow it in order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal

from twofold import Application, Clock, Retry, Router
from twofold.ports import ParkedEvent, WriteStore

from .._domain.audit import GetAudit, audited, auditing, deposits, settled
from .._domain.bank import Deposit, Open, application
from .._domain.work import LEASE, divided
from .._tools.dial import Dial, WrongClock
from .._tools.in_time import WHOLE_TEST, in_time, until
from .._tools.opened import NewStore
from .._tools.problems import problems_of
from .._tools.watched import AROUND_A_CHECKPOINT, watched

HOUR = timedelta(hours=1)
LATER = Retry(attempts=3, delay=3600, longest=5400)
"""Attempts: the first, the second an hour later, the third half an hour after that. The test moves the clock."""

KEY = "account-bad"


@asynccontextmanager
async def dialled(store: WriteStore, clock: Clock, router: Router, *, lease: float = 5.0) -> AsyncIterator[Application]:
    """Run the bank with a router, and with a clock that the test moves."""
    app = await application(store, router, clock=clock, lease=lease)
    with in_time(WHOLE_TEST):
        async with app:
            yield app


def failing(accounts: Collection[str], seen: list[str] | None = None, partitions: int = 1) -> Router:
    """Return the projection "audit", which fails on the deposits of some accounts and retries when the clock moves."""
    return auditing(fail_on=accounts, seen=seen, retry=LATER, partitions=partitions)


async def passes(app: Application, *accounts: str) -> None:
    """Wait until "audit" has handled new events of other accounts, one after another. Pending retries stay pending."""
    for account in accounts:
        async with app.session() as session:
            await session.dispatch(Open(account_id=account))
            assert await session.execute(GetAudit(account_id=account)) is not None


async def pending(app: Application) -> list[ParkedEvent]:
    """Return the events of "audit" with a pending retry, and the parked ones."""
    return list(await app.operations.parked("audit"))


class PendingRetries:
    """The cases of `SubscriptionSuite` about pending retries."""

    async def test_other_keys_continue_while_a_retry_is_pending(self, new_store: NewStore) -> None:
        """One failure blocks only its key. The status is retrying, neither failing nor parked, and health has no problem."""
        dial = Dial()
        async with new_store([]) as store, dialled(store, dial, failing(["bad"])) as app:
            await deposits(app, "bad")
            await passes(app, "good", "fine")
            (first,) = await pending(app)
            assert (first.key, first.attempts, first.again) == (KEY, 1, dial.time + HOUR)
            status = (await app.operations.status())[1]
            assert (status.name, status.state, status.retrying, status.parked) == ("audit", "running", 1, 0)
            assert (await app.health()).problems == ()

    async def test_a_retry_is_not_early_for_a_process_whose_clock_is_ahead(self, new_store: NewStore) -> None:
        """A retry that a process planned whose clock is behind waits in a process whose clock is ahead.

        The clock of the store decides.
        """
        async with new_store([]) as store:
            async with dialled(store, WrongClock(-HOUR), failing(["bad"])) as behind:
                await deposits(behind, "bad")
                await passes(behind, "good")
                (first,) = await pending(behind)
                assert first.again is not None
                assert abs(first.again - (await store.now() + HOUR)) < HOUR / 2
            async with dialled(store, WrongClock(HOUR), failing(["bad"])) as ahead:
                await passes(ahead, "fine", "finer")  # due retries run between them
                assert [(each.key, each.attempts, each.again) for each in await pending(ahead)] == [
                    (KEY, 1, first.again)
                ]

    async def test_a_retry_is_not_late_for_a_process_whose_clock_is_behind(self, new_store: NewStore) -> None:
        """A process whose clock is behind retries at the time that a process planned whose clock is ahead.

        The clock of the store decides.
        """
        bad, retry = ["bad"], Retry(attempts=1_000, delay=0.5, longest=0.5)
        async with new_store([]) as store:
            async with dialled(store, WrongClock(HOUR), auditing(fail_on=bad, retry=retry)) as ahead:
                await deposits(ahead, "bad")
                await passes(ahead, "good")
                assert [each.key for each in await pending(ahead)] == [KEY]
            bad.clear()
            async with dialled(store, WrongClock(-HOUR), auditing(fail_on=bad, retry=retry)) as behind:
                await settled(behind)
                assert await audited(behind, "bad") == {"bad": ("opened", "1")}

    async def test_a_pending_event_is_retried_at_its_time_and_others_follow(self, new_store: NewStore) -> None:
        """Later events of the key wait without an attempt. At the time of the retry, all of them are handled in order."""
        dial, bad, seen = Dial(), ["bad"], list[str]()
        async with new_store([]) as store, dialled(store, dial, failing(bad, seen)) as app:
            await deposits(app, "bad")
            for amount in (2, 3):
                await app.dispatch(Deposit(account_id="bad", amount=Decimal(amount)))
            await passes(app, "good", "fine")
            assert [(each.attempts, each.again) for each in await pending(app)] == [
                (1, dial.time + HOUR), (0, None), (0, None),
            ]  # fmt: skip
            assert not {"bad 2", "bad 3"} & {*seen}
            bad.clear()
            seen.clear()
            dial.time += HOUR
            await settled(app)
            assert await pending(app) == []
            assert await audited(app, "bad") == {"bad": ("opened", "1", "2", "3")}
            await app.dispatch(Deposit(account_id="bad", amount=Decimal(4)))
            await settled(app)
        assert seen == ["bad 1", "bad 2", "bad 3", "bad 4"]

    async def test_an_event_without_attempts_left_is_parked(self, new_store: NewStore) -> None:
        """Each failing attempt is counted and followed by a longer delay. After the last one, the event is parked."""
        dial = Dial()
        async with new_store([]) as store, dialled(store, dial, failing(["bad"])) as app:
            await deposits(app, "bad")
            await app.dispatch(Deposit(account_id="bad", amount=Decimal(2)))
            await passes(app, "good", "fine")
            dial.time += HOUR
            await until(lambda: _is_retried(app))
            assert (await pending(app))[0].again == dial.time + 1.5 * HOUR
            dial.time += 2 * HOUR
            await settled(app)
            first, second = await pending(app)
            assert (first.attempts, first.again, first.time) == (3, None, dial.time)
            assert (second.attempts, second.again) == (0, None)
            status = (await app.operations.status())[1]
            assert (status.retrying, status.parked) == (0, 2)
            assert len(await problems_of(app)) == 1

    async def test_a_later_event_that_fails_has_a_retry_of_its_own(self, new_store: NewStore) -> None:
        """A retry handles the key up to the next failing event, which has its own attempts and its own time."""
        dial, seen, fails = Dial(), list[str](), ["bad 1"]

        async def choke() -> None:
            if seen[-1] in fails:
                raise LookupError(seen[-1])

        router = auditing(seen=seen, during=choke, retry=LATER)
        async with new_store([]) as store, dialled(store, dial, router) as app:
            await deposits(app, "bad")
            for amount in (2, 3):
                await app.dispatch(Deposit(account_id="bad", amount=Decimal(amount)))
            await passes(app, "good", "fine")
            fails[:] = ["bad 2"]
            assert [(each.attempts, each.again) for each in await app.operations.retry("audit", KEY)] == [
                (1, dial.time + HOUR), (0, None),
            ]  # fmt: skip
            assert await audited(app, "bad") == {"bad": ("opened", "1")}
            fails.clear()
            dial.time += HOUR
            await settled(app)
            assert await audited(app, "bad") == {"bad": ("opened", "1", "2", "3")}

    async def test_a_pending_retry_survives_a_restart(self, new_store: NewStore) -> None:
        """The next worker resumes a pending retry, even after a crash. New events of the key wait for the retry."""
        dial, seen = Dial(), list[str]()
        async with new_store([]) as store:
            async with dialled(store, dial, failing(["bad"])) as app:
                await deposits(app, "bad")
                await passes(app, "good", "fine")
                before = await pending(app)
            assert await store.subscriptions.claim("audit", "dead", seconds=LEASE, limit=1)
            dial.time += HOUR - timedelta(microseconds=1)
            async with dialled(store, dial, failing([], seen), lease=LEASE) as app:
                await app.dispatch(Deposit(account_id="bad", amount=Decimal(2)))
                await passes(app, "better", "finer")
                assert seen == ["better opened", "finer opened"]
                assert (await pending(app))[:1] == before
                dial.time += timedelta(microseconds=1)
                await settled(app)
                assert await audited(app, "bad") == {"bad": ("opened", "1", "2")}
                assert await pending(app) == []

    async def test_a_pending_retry_moves_with_its_partition(self, new_store: NewStore) -> None:
        """A pending retry survives a change of the partitions, and the new owner of its key retries it."""
        dial = Dial()
        accounts = [f"bad{number}" for number in range(5)]
        async with new_store([]) as store:
            for partitions in (1, 4, 2):
                async with dialled(store, dial, failing(accounts, partitions=partitions), lease=LEASE) as app:
                    await deposits(app, *(accounts if partitions == 1 else ()))
                    await passes(app, *[f"good {partitions} {number}" for number in range(4)])
                    await divided(store, "audit", partitions)
            assert [each.attempts for each in await store.parked.read("audit")] == [1] * 5
            dial.time += HOUR
            async with dialled(store, dial, failing([], partitions=3), lease=LEASE) as app:
                await settled(app)
                assert await audited(app, *accounts) == dict.fromkeys(accounts, ("opened", "1"))

    async def test_a_crash_in_a_retry_loses_nothing(self, new_store: NewStore) -> None:
        """After any failure during the replay of a key, each of its events is handled once."""
        for point in AROUND_A_CHECKPOINT:
            dial, bad, armed = Dial(), ["bad"], list[str]()

            async def crash(at: str, about: str, point: str = point, armed: list[str] = armed) -> None:
                if (at, about) == (point, "audit") and armed:
                    armed.pop()
                    raise OSError(f"crash {at}")

            async with new_store([]) as store, dialled(watched(store, crash), dial, failing(bad)) as app:
                await deposits(app, "bad")
                for amount in (2, 3):
                    await app.dispatch(Deposit(account_id="bad", amount=Decimal(amount)))
                await passes(app, "good", "fine")
                bad.clear()
                armed.append("once")
                dial.time += HOUR
                await settled(app)
                assert not armed
                assert await audited(app, "bad") == {"bad": ("opened", "1", "2", "3")}
                assert await pending(app) == []

    async def test_a_pending_event_is_retried_on_request(self, new_store: NewStore) -> None:
        """`retry` does not wait for the time of the retry. A failure is counted, and a success unblocks the key."""
        dial, bad = Dial(), ["bad"]
        async with new_store([]) as store, dialled(store, dial, failing(bad)) as app:
            await deposits(app, "bad")
            await app.dispatch(Deposit(account_id="bad", amount=Decimal(2)))
            await passes(app, "good", "fine")
            left = await app.operations.retry("audit", KEY)
            assert [(each.attempts, each.again) for each in left] == [(2, dial.time + 1.5 * HOUR), (0, None)]
            bad.clear()
            assert await app.operations.retry("audit", KEY) == []
            assert await audited(app, "bad") == {"bad": ("opened", "1", "2")}
            await settled(app)

    async def test_a_key_with_a_pending_retry_is_discarded(self, new_store: NewStore) -> None:
        """`discard` removes the pending event and the later events of its key. Events after that are handled."""
        dial, bad = Dial(), ["bad"]
        async with new_store([]) as store, dialled(store, dial, failing(bad)) as app:
            await deposits(app, "bad")
            await app.dispatch(Deposit(account_id="bad", amount=Decimal(2)))
            await passes(app, "good", "fine")
            assert len(await app.operations.discard("audit", KEY)) == 2
            assert await pending(app) == []
            bad.clear()
            await app.dispatch(Deposit(account_id="bad", amount=Decimal(3)))
            await settled(app)
            assert await audited(app, "bad") == {"bad": ("opened", "3")}


async def _is_retried(app: Application) -> bool:
    return (await pending(app))[0].attempts > 1
