"""Events that are held: while one waits for its next try, other keys flow and its own comes behind it, in order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal

from twofold import Application, Retry, Router
from twofold.ports import ParkedEvent, WriteStore

from .._domain.audit import GetAudit, audited, auditing, deposits, settled
from .._domain.bank import Deposit, Open, application
from .._domain.work import LEASE, divided
from .._tools.dial import Dial
from .._tools.in_time import WHOLE_TEST, in_time, until
from .._tools.opened import NewStore
from .._tools.watched import AROUND_A_CHECKPOINT, watched

HOUR = timedelta(hours=1)
LATER = Retry(attempts=3, delay=3600, longest=5400)
"""A try, another after an hour, and the last after an hour and a half: none of them before the test turns its dial."""

KEY = "account-bad"


@asynccontextmanager
async def dialled(store: WriteStore, dial: Dial, router: Router, *, lease: float = 5.0) -> AsyncIterator[Application]:
    """Run the bank with a module by a clock that the test moves."""
    app = await application(store, router, clock=dial, lease=lease)
    with in_time(WHOLE_TEST):
        async with app:
            yield app


def failing(accounts: Collection[str], seen: list[str] | None = None, partitions: int = 1) -> Router:
    """Return the projection "audit", failing on the deposits of some accounts, that is retried when the dial is turned."""
    return auditing(fail_on=accounts, seen=seen, retry=LATER, partitions=partitions)


async def passes(app: Application, *accounts: str) -> None:
    """Wait until "audit" has passed what is appended for other accounts, one after the other; held events stay held."""
    for account in accounts:
        async with app.session() as session:
            await session.dispatch(Open(account_id=account))
            assert await session.execute(GetAudit(account_id=account)) is not None


async def held(app: Application) -> list[ParkedEvent]:
    """Return what the audit has set aside."""
    return list(await app.operations.parked("audit"))


class SubscriptionHolding:
    """The cases of `SubscriptionSuite` in which an event waits for its next try."""

    async def test_other_keys_flow_while_a_failing_event_waits(self, new_store: NewStore) -> None:
        """One failure holds the key and nothing else; it is retrying, neither failing nor parked, and no problem yet."""
        dial = Dial()
        async with new_store([]) as store, dialled(store, dial, failing(["bad"])) as app:
            await deposits(app, "bad")
            await passes(app, "good", "fine")
            (first,) = await held(app)
            assert (first.key, first.attempts, first.again) == (KEY, 1, dial.time + HOUR)
            status = (await app.operations.status())[1]
            assert (status.name, status.state, status.retrying, status.parked) == ("audit", "running", 1, 0)
            assert (await app.health()).problems == ()

    async def test_a_held_event_is_tried_in_its_time_and_what_follows_comes_in_order(self, new_store: NewStore) -> None:
        """What comes for a held key waits behind it, untried; when its time has come all of it is handled, in order."""
        dial, bad, seen = Dial(), ["bad"], list[str]()
        async with new_store([]) as store, dialled(store, dial, failing(bad, seen)) as app:
            await deposits(app, "bad")
            for amount in (2, 3):
                await app.dispatch(Deposit(account_id="bad", amount=Decimal(amount)))
            await passes(app, "good", "fine")
            assert [(each.attempts, each.again) for each in await held(app)] == [
                (1, dial.time + HOUR), (0, None), (0, None),
            ]  # fmt: skip
            assert not {"bad 2", "bad 3"} & {*seen}
            bad.clear()
            seen.clear()
            dial.time += HOUR
            await settled(app)
            assert await held(app) == []
            assert await audited(app, "bad") == {"bad": ("opened", "1", "2", "3")}
            await app.dispatch(Deposit(account_id="bad", amount=Decimal(4)))
            await settled(app)
        assert seen == ["bad 1", "bad 2", "bad 3", "bad 4"]

    async def test_when_the_attempts_are_used_up_the_event_is_parked(self, new_store: NewStore) -> None:
        """Each try that fails is counted and followed by a longer wait; after the last there is none: that is parked."""
        dial = Dial()
        async with new_store([]) as store, dialled(store, dial, failing(["bad"])) as app:
            await deposits(app, "bad")
            await app.dispatch(Deposit(account_id="bad", amount=Decimal(2)))
            await passes(app, "good", "fine")
            dial.time += HOUR
            await until(lambda: _is_tried(app))
            assert (await held(app))[0].again == dial.time + 1.5 * HOUR
            dial.time += 2 * HOUR
            await settled(app)
            first, second = await held(app)
            assert (first.attempts, first.again, first.time) == (3, None, dial.time)
            assert (second.attempts, second.again) == (0, None)
            status = (await app.operations.status())[1]
            assert (status.retrying, status.parked) == (0, 2)
            assert len((await app.health()).problems) == 1

    async def test_what_follows_is_held_by_its_own_failure(self, new_store: NewStore) -> None:
        """A retry goes on to the next event of the key that fails; it has attempts and a next try of its own."""
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

    async def test_a_wait_survives_a_restart(self, new_store: NewStore) -> None:
        """A key that is held is held by the next worker too, also after one that died, and what comes then queues behind."""
        dial, seen = Dial(), list[str]()
        async with new_store([]) as store:
            async with dialled(store, dial, failing(["bad"])) as app:
                await deposits(app, "bad")
                await passes(app, "good", "fine")
                before = await held(app)
            assert await store.subscriptions.claim("audit", "dead", seconds=LEASE, limit=1)
            dial.time += HOUR - timedelta(microseconds=1)
            async with dialled(store, dial, failing([], seen), lease=LEASE) as app:
                await app.dispatch(Deposit(account_id="bad", amount=Decimal(2)))
                await passes(app, "better", "finer")
                assert seen == ["better opened", "finer opened"]
                assert (await held(app))[:1] == before
                dial.time += timedelta(microseconds=1)
                await settled(app)
                assert await audited(app, "bad") == {"bad": ("opened", "1", "2")}
                assert await held(app) == []

    async def test_a_wait_moves_with_its_partition(self, new_store: NewStore) -> None:
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
        """Whatever fails while a key is replayed, each of its events is handled once, and none is left behind."""
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
                assert await held(app) == []

    async def test_a_held_key_is_tried_on_request(self, new_store: NewStore) -> None:
        """`retry` does not wait for the next try; one that fails is counted, and one that does not ends the wait."""
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

    async def test_a_held_key_is_discarded(self, new_store: NewStore) -> None:
        """`discard` forgets what is held and what waits behind it; what comes afterwards is handled."""
        dial, bad = Dial(), ["bad"]
        async with new_store([]) as store, dialled(store, dial, failing(bad)) as app:
            await deposits(app, "bad")
            await app.dispatch(Deposit(account_id="bad", amount=Decimal(2)))
            await passes(app, "good", "fine")
            assert len(await app.operations.discard("audit", KEY)) == 2
            assert await held(app) == []
            bad.clear()
            await app.dispatch(Deposit(account_id="bad", amount=Decimal(3)))
            await settled(app)
            assert await audited(app, "bad") == {"bad": ("opened", "3")}


async def _is_tried(app: Application) -> bool:
    return (await held(app))[0].attempts > 1
