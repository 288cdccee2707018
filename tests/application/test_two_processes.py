"""Two applications on one store, as two processes are: one that answers, one that works."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from decimal import Decimal

import anyio
import pytest
from redis.asyncio import Redis as Client

import twofold._application.running
import twofold._subscriptions.partition_runner
from twofold.errors import TransientFailure
from twofold.ports import Notifier, WriteStore
from twofold.testing.conformance._domain.bank import Balance, Deposit, GetBalance, Open, application
from twofold.testing.conformance._tools.in_time import CEILING, in_time
from twofold.testing.conformance._tools.problems import problems_of
from twofold_memory import InMemoryNotifier
from twofold_redis import RedisNotifier

HOUR = 3600.0


@pytest.fixture
async def notifier(request: pytest.FixtureRequest, kind: str) -> AsyncIterator[Notifier | None]:
    """Return the notifier between processes. PostgreSQL needs none."""
    if kind == "postgresql":
        yield None
    elif kind.startswith("memory"):
        yield InMemoryNotifier()
    else:
        async with Client.from_url(request.getfixturevalue("redis_url")) as client:
            yield RedisNotifier(client)


async def test_an_event_of_another_process_is_announced(
    store: WriteStore, notifier: Notifier | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker with a poll interval of an hour handles an event of another process immediately."""
    worker, front = await application(store, notifier=notifier), await application(store, notifier=notifier, work=False)
    with in_time():
        async with worker, front, front.session() as session:
            await session.dispatch(Open(account_id="first"))
            await session.execute(GetBalance(account_id="first"))
            monkeypatch.setattr(twofold._subscriptions.partition_runner, "FIRST_POLL", HOUR)
            for number in range(5):
                await session.dispatch(Open(account_id=f"a{number}"))
                assert await session.execute(GetBalance(account_id=f"a{number}"), timeout=CEILING) is not None


@pytest.mark.parametrize("lost", ["swallowed", "failing"])
async def test_a_lost_notification_only_costs_time(
    store: WriteStore, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """Without notifications, a worker finds the events of another process by polling."""

    async def announce(log: object, origin: str) -> None:
        if lost == "failing":
            raise TransientFailure("no connection")

    monkeypatch.setattr(type(store.log), "announce", announce)
    worker, front = await application(store), await application(store, work=False)
    with in_time():
        async with worker, front, front.session() as session:
            await session.dispatch(Open(account_id="a"))
            await session.dispatch(Deposit(account_id="a", amount=Decimal(3)))
            balance = Balance(account_id="a", balance=Decimal(3))
            assert await session.execute(GetBalance(account_id="a"), timeout=CEILING) == balance


async def test_health(store: WriteStore) -> None:
    """An application is healthy if a worker runs its subscriptions. Otherwise, health names the problem."""
    front, worker = await application(store, work=False), await application(store)
    async with front:
        await front.dispatch(Open(account_id="a"))
        assert await problems_of(front) == ["no worker runs balances"]
        async with worker:
            await worker.settle()
            health = await front.health()
            assert (health.healthy, health.problems, health.blocking_transactions) == (True, (), ())
            assert [each.name for each in health.subscriptions] == ["balances"]


async def test_health_where_work_is_done(store: WriteStore) -> None:
    """Health of a working process does not report a missing worker, even before its first lease."""
    worker = await application(store)
    async with worker:
        assert (await worker.health()).problems == ()


async def test_health_names_background_work_that_failed(store: WriteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Background work that failed is restarted, and named by health."""
    ended = anyio.Event()

    async def run(*_: object) -> None:
        ended.set()
        raise LookupError("gone")

    monkeypatch.setattr(twofold._application.running, "keep_deleting", run)
    worker = await application(store)
    with in_time():
        async with worker:
            await ended.wait()
            await anyio.wait_all_tasks_blocked()
            found = await problems_of(worker)
    assert found == ["a background task failed and was restarted: LookupError: gone"]


async def test_two_applications_of_one_process_hold_their_own_leases(
    store: WriteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their names in leases differ, even if both start in the same millisecond."""
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    one, other = await application(store, work=False), await application(store, work=False)
    async with one, other:
        assert one._started().owner != other._started().owner
