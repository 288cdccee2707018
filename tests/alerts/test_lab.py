"""Each alert fires after its fault, and clears after the repair that its section of the runbook names."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import anyio
import anyio.to_thread
import pytest

from tests.alerts import prometheus
from tests.alerts.dashboard import Panel, panels
from tests.alerts.faults import Fault, causes, fault
from tests.alerts.lab import Lab, running
from tests.alerts.rules import program
from tests.alerts.sessions import appending
from tests.alerts.shop import Count, Deliver, Place, Remind, Withdraw
from tests.servers.finding import without
from tests.servers.postgresql import PostgreSQL
from tests.servers.rabbitmq import RabbitMQServer
from tests.servers.redis import Redis
from tests.servers.waiting import wait_until
from twofold import Application
from twofold.ports import Outcome, WireMessage
from twofold.testing.conformance._tools.in_time import CEILING
from twofold_rabbitmq import RabbitMQ

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


def head(lab: Lab) -> int:
    """Return the position of the last event."""
    (last,) = json.loads(lab.twofold("events", "--limit", "1", "--json")[1])["events"]
    return int(last["position"])


def place_and_lose(lab: Lab, recorded: Callable[[int], None] = lambda _: None) -> int:
    """Lose an event that every subscription has processed, and return the position of the event before it."""
    place(lab)
    settle(lab)
    kept = head(lab)
    place(lab)
    settle(lab)
    recorded(head(lab))
    lab.lose_events(kept)
    return kept


def replay(lab: Lab, kept: int) -> None:
    """Repair all subscriptions after the log has lost its last events."""
    code, output = lab.twofold("realign")
    assert code, output  # two subscriptions need a position
    for name in ("mail", "relay"):
        assert lab.twofold("replay", name, "--after", str(kept), "--yes")[0] == 0


@causes("TwofoldParked")
def test_a_parked_update(lab: Lab, faults: Sequence[Fault]) -> None:
    """A failed update of a read model is parked, and retried with `twofold parked retry`."""
    with lab.fault("update"):
        place(lab)
        lab.fires("TwofoldParked")
        lab.shows(faults)
        assert problems(lab) == {"parked"}
    assert lab.twofold("parked", "retry", "order_rows")[0] == 0
    lab.clears("twofold parked retry order_rows")


@causes("TwofoldRetrying")
def test_an_update_that_is_retried(lab: Lab, faults: Sequence[Fault]) -> None:
    """A failing event handler is retried until its cause is corrected."""
    with lab.fault("mail"):
        place(lab)
        lab.fires("TwofoldRetrying")
        lab.shows(faults)
        assert "Away" in lab.twofold("parked", "list", "mail", "--json")[1]
    assert lab.twofold("parked", "retry", "mail")[0] == 0
    lab.clears("twofold parked retry mail")


@fault("The worker is killed", "A scheduled command is due, and no worker runs")
def test_no_worker(lab: Lab, faults: Sequence[Fault]) -> None:
    """A killed worker leaves the subscriptions without a worker, and scheduled commands overdue."""
    lab.kill("worker")
    remind(lab)
    lab.fires("TwofoldNoWorker", "TwofoldScheduleOverdue")
    lab.shows(faults)
    assert {"no_worker", "schedule_overdue"} <= problems(lab)
    lab.start("worker")
    lab.clears("twofold worker")


@causes("TwofoldLag")
def test_lag(lab: Lab, faults: Sequence[Fault]) -> None:
    """An update that hangs lets the subscription lag, until its worker is restarted."""
    with lab.fault("hang"):
        count(lab, 1, timedelta(seconds=-310))
        lab.fires("TwofoldLag")
        lab.shows(faults)
        assert "lag" in problems(lab)
        lab.kill("worker")
    lab.start("worker")
    lab.clears("twofold worker")


@causes("TwofoldBacklog")
def test_backlog(lab: Lab, faults: Sequence[Fault]) -> None:
    """More than 1,000 events wait while an update hangs."""
    with lab.fault("hang"):
        count(lab, 1100)
        lab.fires("TwofoldBacklog")
        lab.shows(faults)
        lab.kill("worker")
    lab.start("worker")
    lab.clears("twofold worker")


@causes("TwofoldScheduleStuck")
def test_a_stuck_command(lab: Lab, faults: Sequence[Fault]) -> None:
    """A scheduled command that used up its attempts is retried with `twofold scheduled retry`."""
    with lab.fault("remind"):
        remind(lab)
        lab.fires("TwofoldScheduleStuck")
        lab.shows(faults)
        assert problems(lab) == {"schedule_stuck"}
        (stuck,) = json.loads(lab.twofold("scheduled", "stuck", "--json")[1])
    assert lab.twofold("scheduled", "retry", stuck["id"])[0] == 0
    lab.clears("twofold scheduled retry ID")


@causes("TwofoldProcessStuck")
def test_a_stuck_compensation(lab: Lab, faults: Sequence[Fault]) -> None:
    """A compensation that used up its attempts is retried with `twofold processes retry`."""

    async def work(app: Application) -> None:
        await app.dispatch(Withdraw(order_id="1"))

    with lab.fault("stock"):
        lab.write(work)
        lab.fires("TwofoldProcessStuck")
        lab.shows(faults)
        assert problems(lab) == {"process_stuck"}
    assert lab.twofold("processes", "retry", "lab.withdrawal", "1")[0] == 0
    lab.clears("twofold processes retry NAME KEY")


@causes("TwofoldCacheUnavailable", "TwofoldNotifierUnavailable")
def test_the_cache_is_away(lab: Lab, faults: Sequence[Fault]) -> None:
    """The cache and the notifier are away until their server is started."""
    with lab.away(lab.redis):
        lab.fires("TwofoldCacheUnavailable", "TwofoldNotifierUnavailable")
        lab.shows(faults)
        assert "cache_unavailable" in problems(lab)
    lab.clears("start of Redis")
    assert problems(lab) == set()


@causes("TwofoldBrokerUnavailable", "TwofoldSubscriptionFailing")
def test_the_broker_is_away(lab: Lab, faults: Sequence[Fault]) -> None:
    """The relay fails, and events do not arrive, until the broker is started."""
    with lab.away(lab.broker):
        place(lab)
        lab.fires("TwofoldBrokerUnavailable", "TwofoldSubscriptionFailing")
        lab.shows(faults)
        assert "broker_unavailable" in problems(lab)
    lab.clears("start of RabbitMQ")
    assert problems(lab) == set()


@causes("TwofoldStoreUnavailable")
def test_the_store_is_away(lab: Lab, faults: Sequence[Fault]) -> None:
    """Nothing works until the database is started."""
    with lab.away(lab.database):
        lab.fires("TwofoldStoreUnavailable")
        lab.shows(faults)
    lab.clears("start of PostgreSQL")
    assert problems(lab) == set()


@causes("TwofoldNoReport")
def test_nobody_reports(lab: Lab, faults: Sequence[Fault]) -> None:
    """All processes of the application have died."""
    lab.kill("worker")
    lab.kill("web")
    lab.fires("TwofoldNoReport")
    lab.shows(faults)
    lab.start("worker")
    lab.clears("twofold worker")
    lab.start("web")


@fault("The clock of a process is ahead")
def test_a_clock_that_is_ahead(lab: Lab, faults: Sequence[Fault]) -> None:
    """An event of a wrong clock makes the lag unknown, until the event is processed."""
    with lab.fault("hang"):
        count(lab, 1, timedelta(hours=1))
        lab.fires("TwofoldLagUnknown")
        lab.shows(faults)
        lab.kill("worker")
    lab.start("worker")
    lab.clears("twofold worker")


@causes("TwofoldProjectionChanged")
def test_a_projection_of_another_release(lab: Lab, faults: Sequence[Fault]) -> None:
    """A release that lacks events of the rows stops at them, until the rows are rebuilt with the release that runs."""
    count(lab, 1)
    settle(lab)
    with lab.fault("release"):
        lab.restart("worker")
        lab.fires("TwofoldProjectionChanged")
        lab.shows(faults)
        assert lab.twofold("rebuild", "order_rows")[0] == 0
        lab.clears("twofold rebuild order_rows, with the old release")
        lab.kill("worker")
    assert lab.twofold("rebuild", "order_rows")[0] == 0
    lab.start("worker")
    lab.clears("twofold rebuild order_rows, with the new release")


@causes("TwofoldUnreadableRow")
def test_an_unreadable_row(lab: Lab, faults: Sequence[Fault]) -> None:
    """A row that another program has changed does not fit its view, until the projection is rebuilt."""
    order_id = place(lab)
    settle(lab)
    lab.sql(f"UPDATE lab_order_row SET state = 'eaten' WHERE order_id = '{order_id}'")
    with lab.fault("read", order_id):
        lab.fires("TwofoldUnreadableRow")
        lab.shows(faults)
        assert lab.twofold("rebuild", "order_rows")[0] == 0
        lab.clears("twofold rebuild order_rows")


@fault("The worker is paused for longer than its lease")
def test_a_paused_worker(lab: Lab, faults: Sequence[Fault]) -> None:
    """A worker that sleeps for longer than its lease loses the lease, and claims it again when it continues."""
    with lab.stopped("worker"):
        lab.fires("TwofoldNoWorker")
        lab.shows(faults)
    lab.clears("the worker continues")


@fault("The event loop of a process is blocked")
def test_a_blocked_event_loop(lab: Lab, faults: Sequence[Fault]) -> None:
    """The gauges of a process whose event loop is blocked expire."""
    with lab.fault("block"):
        lab.fires("TwofoldLagUnknown")
        lab.shows(faults)
        lab.kill("web")
    lab.start("web")
    lab.clears("restart of the process")


@causes("TwofoldReadersBlocked")
def test_an_open_transaction(lab: Lab, faults: Sequence[Fault]) -> None:
    """A session that has appended and stays in its transaction keeps all readers waiting, until it is ended."""
    with appending(lab.database) as pid:
        place(lab)
        lab.fires("TwofoldReadersBlocked", "TwofoldLagUnknown")
        lab.shows(faults)
        assert problems(lab) == {"readers_blocked"}
        assert f"session {pid}" in lab.twofold("health")[1]
        lab.sql(f"SELECT pg_terminate_backend({pid})")
        lab.clears("pg_terminate_backend")
    settle(lab)


@causes("TwofoldEventsLost")
def test_the_log_loses_events(lab: Lab, faults: Sequence[Fault]) -> None:
    """A restore loses the last events of the log, and each subscription has a command that repairs it."""
    kept = place_and_lose(lab)
    lab.fires("TwofoldEventsLost")
    lab.shows(faults)
    assert "events_lost" in problems(lab)
    replay(lab, kept)
    lab.clears("twofold realign, and twofold replay NAME --after POSITION")


@causes("TwofoldBrokerLostEvents")
def test_the_broker_loses_events(lab: Lab, faults: Sequence[Fault]) -> None:
    """The broker fails over to a replica that was behind, and the log has lost the event that the replica confirmed last."""
    with lab.streams() as streams:
        kept = place_and_lose(lab, streams.await_mark)
        behind = streams.copy()
        lab.fires("TwofoldEventsLost")
        replay(lab, kept)
        lab.clears("twofold realign, and twofold replay NAME --after POSITION")
        place(lab)
        streams.await_mark(head(lab))
        lab.kill("worker")
        streams.fail_over(behind)
        lab.start("worker")
        lab.fires("TwofoldBrokerLostEvents")
        lab.shows(faults)
        assert lab.twofold("replay", "relay", "--after", str(kept), "--yes")[0] == 0
        lab.clears("twofold replay relay --after POSITION")


@causes("TwofoldSourceLostEvents")
def test_a_source_loses_events(lab: Lab, faults: Sequence[Fault]) -> None:
    """The log of another application lacks events that are recorded here, until an operator accepts the loss."""

    async def deliver(app: Application) -> None:
        await app.dispatch(Deliver(order_id="1"))

    def lost() -> None:
        lab.fires("TwofoldSourceLostEvents")

    lab.carry(deliver, timedelta(minutes=-1))
    settle(lab)
    lab.carry(lambda _: anyio.to_thread.run_sync(lost))  # another log
    lab.shows(faults)
    assert problems(lab) == {"source_lost_events"}
    assert "lab.delivered" in lab.twofold("lost", "lab.carrier")[1]
    assert lab.twofold("lost", "lab.carrier", "--accept", "--yes")[0] == 0
    lab.clears("twofold lost lab.carrier --accept")


@causes("TwofoldMessagesParked")
def test_a_message_that_cannot_be_recorded(lab: Lab, faults: Sequence[Fault]) -> None:
    """A message that is not an event of the carrier is reported until it is discarded, also after a restart."""
    consumer = "lab.carrier"

    async def send(broker: RabbitMQ) -> None:
        poison = WireMessage(str(uuid4()), "lab.delivered", "1", b'{"specversion": "1.0", "data": "<script>"}')
        assert await broker.publisher.publish([poison]) == [Outcome.CONFIRMED]

    lab.broker_work(send)
    lab.fires("TwofoldMessagesParked")
    lab.restart("worker")
    lab.restart("web")
    lab.fires("TwofoldMessagesParked")
    lab.shows(faults)
    assert lab.twofold("messages", "discard", consumer, "--all", "--yes")[0] == 0
    lab.clears("twofold messages discard lab.carrier --all")


def test_every_panel_of_the_dashboard_has_data(lab: Lab) -> None:
    """Prometheus accepts each expression, and returns series with every label that its grouping and its legend name."""
    began = time.time()
    faults = {"Problems", "Unknown lag"}

    async def deliver(app: Application) -> None:
        await app.dispatch(Deliver(order_id="1"))

    def filled(those: Callable[[Panel], bool]) -> None:
        for panel in filter(those, panels()):
            wait_until(lambda: not prometheus.missing(lab.prometheus, panel, began), f"data: {panel.title}")  # noqa: B023

    with lab.fault("trade"), lab.fault("mail"), lab.fault("remind"):
        lab.carry(deliver)
        remind(lab)
        once = "sum(twofold_schedule_delay_seconds_count)"
        wait_until(lambda: (prometheus.value(lab.prometheus, once) or 0) > 0, "a command was to be dispatched")
        remind(lab)  # a rate begins with the second value of a counter
        filled(lambda panel: panel.title not in faults)
    with lab.fault("update"):
        with appending(lab.database):
            place(lab)
            filled(lambda panel: panel.title == "Unknown lag")
        filled(lambda panel: panel.title in faults)  # the order is parked only while the fault lasts
    for stuck in json.loads(lab.twofold("scheduled", "stuck", "--json")[1]):
        assert lab.twofold("scheduled", "retry", stuck["id"])[0] == 0
    for name in ("mail", "order_rows"):
        assert lab.twofold("parked", "retry", name)[0] == 0
    lab.clears("twofold parked retry NAME, twofold scheduled retry ID")


@causes("TwofoldTaskFailed")
def test_a_background_task_fails(lab: Lab, faults: Sequence[Fault]) -> None:
    """A defect in an adapter ends a background task again and again, until a process without the defect is started."""
    with lab.fault("watch"):
        lab.restart("worker")
        lab.fires("TwofoldTaskFailed")
        lab.shows(faults)
    lab.restart("worker")
    lab.clears("restart of the worker with a corrected adapter")
