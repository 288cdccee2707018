"""The problems that health reports: each has a code, and thresholds decide when a lag is one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from os import getpid
from socket import gethostname
from typing import Any

import pytest

from twofold import Application, Command, Event, Retry, Scheduler, Thresholds, UnitOfWork
from twofold.errors import ConfigurationError, TransientFailure
from twofold.ports import BlockingTransaction
from twofold.testing.conformance._tools.dial import Dial
from twofold.testing.conformance._tools.hooked import Call, Hooked
from twofold.testing.conformance._tools.in_time import until
from twofold_memory import InMemory, InMemoryCache, InMemoryNotifier


class Sold(Event, name="problems.sold"):
    number: int


class Sell(Command[None]):
    number: int


class Remind(Command[None], name="problems.remind"):
    pass


class RemindLater(Command[None]):
    at: datetime


@pytest.fixture
def anyio_backend() -> str:
    """Run in memory."""
    return "asyncio"


def shop(store: Any = None, **options: Any) -> Application:
    """Return an application with two event handlers, and a command that can be scheduled."""
    app = Application("problems", write=store or InMemory(), **options)

    @app.command_handler(Sell)
    async def sell(command: Sell, unit: UnitOfWork) -> None:
        unit.record(Sold(number=command.number), stream="sales")

    @app.command_handler(RemindLater)
    async def remind_later(command: RemindLater, scheduler: Scheduler) -> None:
        await scheduler.schedule(Remind(), at=command.at, id="reminder")

    @app.command_handler(Remind)
    async def remind(command: Remind) -> None: ...

    @app.event_handler(Sold, name="mail")
    async def mail(event: Sold) -> None: ...

    @app.event_handler(Sold, name="search")
    async def search(event: Sold) -> None: ...

    return app


async def codes(app: Application, thresholds: Thresholds | None = None) -> list[tuple[str, str]]:
    """Return the code and the subject of each problem, except of missing workers."""
    problems = (await app.health(thresholds)).problems
    return [(each.code, each.subject) for each in problems if each.code != "no_worker"]


async def test_a_lag_in_seconds_is_a_problem_above_its_threshold() -> None:
    """The lag is the age of the oldest event that was not processed. Each subscription may have a threshold of its own."""
    dial = Dial()
    limits = Thresholds(lag=10, of={"search": Thresholds(lag=20)})
    async with shop(work=False, clock=dial, health=limits) as app:
        await app.dispatch(Sell(number=1))
        dial.time += timedelta(seconds=10)
        await app.dispatch(Sell(number=2))
        assert await codes(app) == []
        dial.time += timedelta(seconds=5)
        assert [each.lag_seconds for each in await app.operations.status()] == [15.0, 15.0]
        assert await codes(app) == [("lag", "mail")]
        assert await codes(app, Thresholds(lag=12)) == [("lag", "mail"), ("lag", "search")]
        assert await codes(app, Thresholds(lag=None)) == []


async def test_a_backlog_is_a_problem_above_its_threshold() -> None:
    """The number of events has a threshold apart from their age."""
    async with shop(work=False) as app:
        for number in range(3):
            await app.dispatch(Sell(number=number))
        assert await codes(app, Thresholds(backlog=3)) == []
        assert await codes(app, Thresholds(backlog=2)) == [("backlog", "mail"), ("backlog", "search")]


async def test_a_paused_subscription_may_lag() -> None:
    """A pause is a note. The lag that it causes is not a problem."""
    async with shop(work=False) as app:
        await app.operations.pause("mail")
        await app.dispatch(Sell(number=1))
        health = await app.health(Thresholds(lag=0, backlog=0))
        assert {each.subject for each in health.problems} == {"search"}
        assert [(each.code, each.severity, each.subject) for each in health.notes] == [("paused", "note", "mail")]


async def test_a_lag_that_is_not_known_has_a_reason() -> None:
    """An event from the future, recorded by a clock that is ahead, has no age. It is not reported as 0."""
    dial, store = Dial(), InMemory()
    async with shop(store, work=False, clock=dial) as app:
        await app.dispatch(Sell(number=1))
        dial.time -= timedelta(seconds=90)
        mail, _ = await app.operations.status()
        assert (mail.lag, mail.lag_seconds) == (1, None)
        assert "90.0 s in the future" in mail.lag_unknown


async def test_a_subscription_that_has_caught_up_has_no_lag() -> None:
    """Without an unprocessed event, the lag is 0 by any clock."""
    dial = Dial()
    async with shop(clock=dial) as app:
        await app.dispatch(Sell(number=1))
        await app.settle()
        dial.time += timedelta(days=1)
        assert [(each.lag_seconds, each.lag_unknown) for each in await app.operations.status()] == [(0.0, "")] * 2


async def test_a_process_without_workers_names_the_workers_of_others() -> None:
    """The status names the process that runs a subscription, its host, its partitions, and since when."""
    store = InMemory()
    async with shop(store, work=False) as front:
        assert [each.code for each in (await front.health()).problems] == ["no_worker"] * 2
        before = datetime.now(UTC)
        await front.dispatch(Sell(number=1))
        async with shop(store) as worker:
            await worker.settle()
            mail, _ = await front.operations.status()
            (found,) = mail.workers
        assert (found.host, found.pid, found.partitions, mail.covered) == (gethostname(), getpid(), (0,), True)
        assert before - timedelta(seconds=1) <= found.since <= datetime.now(UTC)
        assert (await front.operations.status())[0].workers == ()


async def test_a_cache_that_does_not_answer_is_a_problem() -> None:
    """Health asks the cache itself, so that the problem ends when the cache is back."""
    fails = True

    class Cache(InMemoryCache):
        async def lookup(self, *args: Any, **options: Any) -> Any:
            if fails:
                raise TransientFailure("no connection")
            return await super().lookup(*args, **options)

    async with shop(cache=Cache()) as app:
        (problem,) = (await app.health()).problems
        assert (problem.code, problem.severity) == ("cache_unavailable", "warning")
        assert str(problem).startswith("the cache does not answer: TransientFailure: no connection. Check the cache.")
        fails = False
        assert await codes(app) == []


async def test_a_notifier_that_fails_is_a_problem() -> None:
    """A process that cannot listen to other processes reports it, and polls."""

    class Notifier(InMemoryNotifier):
        async def watch(self, *args: Any) -> None:
            raise TransientFailure("no connection")

    async with shop(notifier=Notifier()) as app:

        async def reported() -> bool:
            return await codes(app) == [("notifier_unavailable", "")]

        await until(reported)


async def test_a_command_that_is_not_dispatched_in_time_is_a_problem() -> None:
    """A scheduled command that no process dispatches is overdue, from a threshold on."""
    dial = Dial()
    async with shop(work=False, clock=dial) as app:
        await app.dispatch(RemindLater(at=dial.after(10)))
        dial.time += timedelta(seconds=70)
        assert await codes(app) == []
        dial.time += timedelta(seconds=1)
        assert await codes(app) == [("schedule_overdue", "reminder")]
        assert await codes(app, Thresholds(overdue=None)) == []


async def test_parked_events_are_a_problem_above_their_number() -> None:
    """An application may tolerate a number of parked events."""
    app = Application("parking", write=InMemory())

    @app.command_handler(Sell)
    async def sell(command: Sell, unit: UnitOfWork) -> None:
        unit.record(Sold(number=command.number), stream="sales")

    @app.event_handler(Sold, name="mail", retry=Retry(attempts=1))
    async def mail(event: Sold) -> None:
        raise KeyError(event.number)

    async with app:
        await app.dispatch(Sell(number=1))
        await app.settle()
        assert await codes(app) == [("parked", "mail")]
        assert await codes(app, Thresholds(parked=1)) == []


async def test_a_store_that_fails_keeps_its_code() -> None:
    """A probe of an application whose store does not answer has one critical problem."""

    async def fail(call: Call) -> Any:
        raise TransientFailure("no connection")

    store: Any = Hooked(InMemory(), "schedule.stuck", fail)
    async with Application("problems", write=store, work=False) as app:
        (problem,) = (await app.health()).problems
        assert (problem.code, problem.severity) == ("store_unavailable", "critical")


@pytest.mark.parametrize(
    "wrong",
    [
        {"lag": -1},
        {"lag": "10"},
        {"backlog": float("nan")},
        {"parked": True},
        {"overdue": float("inf")},
        {"of": {"a": 5}},
    ],
)
def test_thresholds_are_checked(wrong: Mapping[str, Any]) -> None:
    """A threshold that is not a number of at least 0 is refused where it is written."""
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        Thresholds(**wrong)


def test_an_application_takes_thresholds_only() -> None:
    """Another value for `health=` is refused, with an example."""
    wrong: Any = 10
    with pytest.raises(ConfigurationError, match=r"pass Thresholds, such as Thresholds\(lag=10\)"):
        Application("problems", write=InMemory(), health=wrong)


async def test_an_open_transaction_that_keeps_readers_waiting_is_a_problem() -> None:
    """It is one if it is older than the threshold of the lag. The lag is not known before that."""
    seconds = 0.5

    async def blocking(_: Call) -> object:
        return [BlockingTransaction("session 7 appends", seconds)]

    async with shop(Hooked(InMemory(), "log.blocking_transactions", blocking)) as app:
        assert (await app.health()).healthy
        assert [each.lag_seconds for each in await app.operations.status()] == [0.0, 0.0]
        seconds = 61.0
        (problem,) = (await app.health()).problems
        assert (problem.code, problem.severity) == ("readers_blocked", "critical")
        assert "session 7 appends" in problem.text
        assert {each.lag_unknown_code for each in await app.operations.status()} == {"open_transaction"}
        assert (await app.health(Thresholds(lag=None))).healthy
