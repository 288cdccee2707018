"""Two applications on one store, as two processes are: one that answers, one that works."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal

import anyio
import pytest
from redis.asyncio import Redis as Client

import twofold._application.retention
import twofold._subscriptions.partition_runner
from twofold.errors import TransientFailure
from twofold.ports import Notifier, WriteStore
from twofold.testing.conformance._domain.bank import Balance, Deposit, GetBalance, Open, application
from twofold.testing.conformance._tools.in_time import CEILING, in_time
from twofold_memory import InMemoryNotifier
from twofold_redis import RedisNotifier

HOUR = 3600.0


@pytest.fixture
async def notifier(request: pytest.FixtureRequest, kind: str) -> AsyncIterator[Notifier | None]:
    """Give what tells other processes of events; PostgreSQL does it itself."""
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
    """A worker that would poll in an hour hears at once of what another process appended."""
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
async def test_a_lost_hint_only_costs_time(store: WriteStore, monkeypatch: pytest.MonkeyPatch, lost: str) -> None:
    """Without any notification a worker finds what another process appended by polling."""

    async def announce(log: object) -> None:
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
    """An application is healthy when somebody runs its subscriptions; otherwise it is said what is wrong."""
    front, worker = await application(store, work=False), await application(store)
    async with front:
        await front.dispatch(Open(account_id="a"))
        assert (await front.health()).problems == ("nobody runs balances: start a worker",)
        async with worker:
            await worker.settle()
            health = await front.health()
            assert (health.healthy, health.problems, health.holding_back) == (True, (), ())
            assert [each.name for each in health.subscriptions] == ["balances"]


async def test_health_where_work_is_done(store: WriteStore) -> None:
    """A process that works does not call for a worker, not even before it has claimed what it runs."""
    worker = await application(store)
    async with worker:
        assert (await worker.health()).problems == ()


async def test_health_names_background_work_that_ended(store: WriteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that should go on for ever and ended by an error is no secret of the log file."""
    ended = anyio.Event()

    async def run(*_: object) -> None:
        ended.set()
        raise LookupError("gone")

    monkeypatch.setattr(twofold._application.retention.Retention, "run", run)
    worker = await application(store)
    with in_time():
        async with worker:
            await ended.wait()
            await anyio.wait_all_tasks_blocked()
            found = (await worker.health()).problems
    assert found == ("a background task ended with LookupError: gone. Restart this process",)
