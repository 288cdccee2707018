"""Each alert fires after its fault, and clears after the repair that its section of the runbook names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from tests.alerts.lab import Lab, running
from tests.alerts.rules import program
from tests.alerts.shop import Count, Place, Remind
from tests.servers.finding import without
from tests.servers.postgresql import PostgreSQL
from tests.servers.rabbitmq import RabbitMQServer
from tests.servers.redis import Redis
from twofold import Application
from twofold.testing.conformance._tools.in_time import CEILING

pytestmark = pytest.mark.everywhere


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Start the lab once."""
    program("prometheus")
    for kind in (PostgreSQL(), Redis(), RabbitMQServer()):
        if not kind.installed():
            raise without(kind, {})
    with running(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture
def lab(started: Lab) -> Lab:
    """Give the lab when no alert fires, and both processes report."""
    started.ready()
    return started


def place(lab: Lab) -> str:
    """Place an order, and return its id."""
    order_id = str(uuid4())

    async def work(app: Application) -> None:
        await app.dispatch(Place(order_id=order_id))

    lab.write(work)
    return order_id


def settle(lab: Lab) -> None:
    """Return when every subscription has processed the whole log."""

    async def work(app: Application) -> None:
        await app.settle(timeout=CEILING)

    lab.write(work)


def count(lab: Lab, events: int, ahead: timedelta = timedelta(0)) -> None:
    """Record a number of events, with a clock that may be wrong."""

    async def work(app: Application) -> None:
        await app.dispatch(Count(events=events))

    lab.write(work, ahead)


def remind(lab: Lab) -> None:
    """Schedule a command that is due."""

    async def work(app: Application) -> None:
        async with app.session() as session:
            await session.schedule(Remind(order_id="1"), at=datetime.now(UTC))

    lab.write(work)


def problems(lab: Lab) -> set[str]:
    """Return the codes that `twofold health` reports."""
    code, output = lab.twofold("health", "--json")
    found = {each["code"] for each in json.loads(output)["problems"]}
    assert code == bool(found)
    return found


def test_a_parked_update(lab: Lab) -> None:
    """A failed update of a read model is parked, and retried with `twofold parked retry`."""
    with lab.fault("update"):
        place(lab)
        lab.fires("TwofoldParked")
        assert problems(lab) == {"parked"}
    assert lab.twofold("parked", "retry", "order_rows")[0] == 0
    lab.clears("twofold parked retry order_rows")


def test_an_update_that_is_retried(lab: Lab) -> None:
    """A failing event handler is retried until its cause is corrected."""
    with lab.fault("mail"):
        place(lab)
        lab.fires("TwofoldRetrying")
        assert "Away" in lab.twofold("parked", "list", "mail", "--json")[1]
    assert lab.twofold("parked", "retry", "mail")[0] == 0
    lab.clears("twofold parked retry mail")


def test_no_worker(lab: Lab) -> None:
    """A killed worker leaves the subscriptions without a worker, and scheduled commands overdue."""
    lab.kill("worker")
    remind(lab)
    lab.fires("TwofoldNoWorker", "TwofoldScheduleOverdue")
    assert {"no_worker", "schedule_overdue"} <= problems(lab)
    lab.start("worker")
    lab.clears("twofold worker")


def test_lag(lab: Lab) -> None:
    """An update that hangs lets the subscription lag, until its worker is restarted."""
    with lab.fault("hang"):
        count(lab, 1, timedelta(seconds=-310))
        lab.fires("TwofoldLag")
        assert "lag" in problems(lab)
        lab.kill("worker")
    lab.start("worker")
    lab.clears("twofold worker")


def test_backlog(lab: Lab) -> None:
    """More than 1,000 events wait while an update hangs."""
    with lab.fault("hang"):
        count(lab, 1100)
        lab.fires("TwofoldBacklog")
        lab.kill("worker")
    lab.start("worker")
    lab.clears("twofold worker")


def test_a_stuck_command(lab: Lab) -> None:
    """A scheduled command that used up its attempts is retried with `twofold scheduled retry`."""
    with lab.fault("remind"):
        remind(lab)
        lab.fires("TwofoldScheduleStuck")
        assert problems(lab) == {"schedule_stuck"}
        (stuck,) = json.loads(lab.twofold("scheduled", "stuck", "--json")[1])
    assert lab.twofold("scheduled", "retry", stuck["id"])[0] == 0
    lab.clears("twofold scheduled retry ID")


def test_the_cache_is_away(lab: Lab) -> None:
    """The cache and the notifier are away until their server is started."""
    with lab.away(lab.redis):
        lab.fires("TwofoldCacheUnavailable", "TwofoldNotifierUnavailable")
        assert "cache_unavailable" in problems(lab)
    lab.clears("start of Redis")
    assert problems(lab) == set()


def test_the_broker_is_away(lab: Lab) -> None:
    """The relay fails, and events do not arrive, until the broker is started."""
    with lab.away(lab.broker):
        place(lab)
        lab.fires("TwofoldBrokerUnavailable", "TwofoldSubscriptionFailing")
        assert "broker_unavailable" in problems(lab)
    lab.clears("start of RabbitMQ")
    assert problems(lab) == set()


def test_the_store_is_away(lab: Lab) -> None:
    """Nothing works until the database is started."""
    with lab.away(lab.database):
        lab.fires("TwofoldStoreUnavailable")
    lab.clears("start of PostgreSQL")
    assert problems(lab) == set()


def test_nobody_reports(lab: Lab) -> None:
    """All processes of the application have died."""
    lab.kill("worker")
    lab.kill("web")
    lab.fires("TwofoldNoReport")
    lab.start("worker")
    lab.clears("twofold worker")
    lab.start("web")


def test_a_clock_that_is_ahead(lab: Lab) -> None:
    """An event of a wrong clock makes the lag unknown, until the event is processed."""
    with lab.fault("hang"):
        count(lab, 1, timedelta(hours=1))
        lab.fires("TwofoldLagUnknown")
        lab.kill("worker")
    lab.start("worker")
    lab.clears("twofold worker")


def test_a_projection_of_another_release(lab: Lab) -> None:
    """A release that lacks events of the rows stops at them, until the rows are rebuilt with the release that runs."""
    count(lab, 1)
    settle(lab)
    with lab.fault("release"):
        lab.restart("worker")
        lab.fires("TwofoldProjectionChanged")
        assert lab.twofold("rebuild", "order_rows")[0] == 0
        lab.clears("twofold rebuild order_rows, with the old release")
        lab.kill("worker")
    assert lab.twofold("rebuild", "order_rows")[0] == 0
    lab.start("worker")
    lab.clears("twofold rebuild order_rows, with the new release")


def test_an_unreadable_row(lab: Lab) -> None:
    """A row that another program has changed does not fit its view, until the projection is rebuilt."""
    order_id = place(lab)
    settle(lab)
    lab.sql(f"UPDATE lab_order_row SET state = 'eaten' WHERE order_id = '{order_id}'")
    with lab.fault("read", order_id):
        lab.fires("TwofoldUnreadableRow")
        assert lab.twofold("rebuild", "order_rows")[0] == 0
        lab.clears("twofold rebuild order_rows")


def test_a_background_task_fails(lab: Lab) -> None:
    """A defect in an adapter ends a background task again and again, until a process without the defect is started."""
    with lab.fault("watch"):
        lab.restart("worker")
        lab.fires("TwofoldTaskFailed")
    lab.restart("worker")
    lab.clears("restart of the worker with a corrected adapter")
