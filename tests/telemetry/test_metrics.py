"""Metrics: each is recorded with its unit and with bounded attributes, and an unknown lag has no value but a reason."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from tests.domains.cached_bank import GetCached, Loads, reading
from tests.domains.orders import Boom, Place, Placed
from tests.domains.shops import Sell, selling, settled, shipping
from tests.telemetry.collected import Collected
from twofold import Application, RemoteCommandBus, Retry, UnitOfWork
from twofold._telemetry import metrics
from twofold._telemetry.gauges import Board
from twofold._telemetry.recorder import Reading
from twofold.errors import ReadNotReady, TransientFailure
from twofold.testing.conformance._domain.audit import GetAudit, auditing, deposits, running
from twofold.testing.conformance._domain.audit import settled as settled_bank
from twofold.testing.conformance._domain.bank import Open
from twofold.testing.conformance._domain.fulfilment import NAME, Handlers, Order, Pay, fulfilling
from twofold.testing.conformance._domain.reminders import Broken, Remind, reminding
from twofold.testing.conformance._tools.dial import Dial, WrongClock
from twofold.testing.conformance._tools.hooked import Call, Hooked
from twofold.testing.conformance._tools.in_time import until
from twofold_memory import InMemory, InMemoryCache, InMemoryTransport


@pytest.fixture
def collected() -> Collected:
    """Collect spans and metrics."""
    return Collected()


@asynccontextmanager
async def failing_orders(collected: Collected, retry: Retry) -> AsyncIterator[Application]:
    """Run an application whose event handler always fails."""
    app = Application("orders", write=InMemory(), telemetry=collected.option)

    @app.command_handler(Place)
    async def place(command: Place, unit: UnitOfWork) -> str:
        unit.record(Placed(), stream="orders")
        return "placed"

    @app.event_handler(Placed, name="mail", retry=retry)
    async def mail(event: Placed) -> None:
        raise Boom("the text of an error")

    async with app:
        yield app


async def test_handlers_are_measured_with_their_failures(collected: Collected) -> None:
    """Each attempt of a handler counts. A failure has the class of its error."""
    async with failing_orders(collected, Retry(attempts=2, delay=0.001)) as app:
        await app.dispatch(Place())
        await app.settle()
    assert collected.value(metrics.HANDLER_DURATION, twofold_message_kind="command") == 1
    failed = dict.fromkeys(["error_type"], "tests.domains.orders.Boom")
    assert collected.value(metrics.HANDLER_DURATION, twofold_subscription="mail", **failed) == 2
    assert collected.value(metrics.APPEND_DURATION) == 1


async def test_failed_attempts_count_by_their_outcome(collected: Collected) -> None:
    """A failing event is counted as retried, then as parked. The gauge shows the parked event."""
    async with failing_orders(collected, Retry(attempts=2, delay=0.001)) as app:
        await app.dispatch(Place())
        await app.settle()
        await until(lambda: collected.value(metrics.PARKED, twofold_subscription="mail") == 1)
        assert collected.value(metrics.FAILURES, twofold_outcome="retry") == 1
        assert collected.value(metrics.FAILURES, twofold_outcome="parked") == 1
        assert collected.value(metrics.PROBLEMS, twofold_problem_code="parked", twofold_problem_subject="mail") == 1
        assert collected.value(metrics.HEALTHY) == 0


async def test_a_skipped_event_counts(collected: Collected) -> None:
    """An event that is skipped after a failure is counted as skipped."""
    async with failing_orders(collected, Retry(skip_on=Boom)) as app:
        await app.dispatch(Place())
        await app.settle()
    assert collected.value(metrics.FAILURES, twofold_outcome="skipped") == 1


async def test_a_watching_process_knows_the_lag(collected: Collected) -> None:
    """A process that runs no subscription reports their lag in seconds and in events, and that nobody runs them."""
    async with running(InMemory(), auditing(), work=False, telemetry=collected.option) as app:
        await deposits(app, "a", "b")
        await until(lambda: collected.value(metrics.BACKLOG, twofold_subscription="audit") == 4)
        assert collected.value(metrics.LAG, twofold_subscription="audit") >= 0
        assert collected.value(metrics.LAG_UNKNOWN, twofold_subscription="audit") is None
        assert collected.value(metrics.COVERED, twofold_subscription="audit") == 0
    assert collected.points(metrics.BACKLOG) == []


async def test_a_working_process_reports_no_lag_once_it_has_caught_up(collected: Collected) -> None:
    """A subscription that has processed everything has a lag of 0. Its events and batches are counted."""
    async with running(InMemory(), auditing(), telemetry=collected.option) as app:
        await deposits(app, "a")
        await settled_bank(app)
        await until(lambda: collected.value(metrics.COVERED, twofold_subscription="audit") == 1)
        await until(lambda: collected.value(metrics.LAG, twofold_subscription="audit") == 0)
        assert collected.value(metrics.HEALTHY) == 1
        assert collected.value(metrics.PROCESSED, twofold_subscription="audit") == 2
        await until(lambda: (collected.value(metrics.BATCH_DURATION, twofold_subscription="audit") or 0) >= 1)


async def test_an_unknown_lag_in_seconds_has_a_reason(collected: Collected) -> None:
    """An event of a clock that is ahead leaves the lag in seconds without a value. The number of events is known."""
    store = InMemory()
    async with running(store, auditing(), work=False, clock=WrongClock(timedelta(hours=1))) as app:
        await deposits(app, "a")
    async with running(store, auditing(), work=False, telemetry=collected.option):
        unknown = {"twofold_subscription": "audit", "twofold_reason": "clock_ahead"}
        await until(lambda: collected.value(metrics.LAG_UNKNOWN, **unknown) == 1)
        assert collected.value(metrics.LAG, twofold_subscription="audit") is None
        assert collected.value(metrics.BACKLOG, twofold_subscription="audit") == 2


async def test_a_store_that_does_not_answer_leaves_the_lag_unknown(collected: Collected) -> None:
    """While the store is away, the last known lag is not reported any more."""
    away = False

    async def head(call: Call) -> Any:
        if away:
            raise TransientFailure("the store is away")
        return await call()

    hooked: Any = Hooked(InMemory(), "log.head", head)
    async with running(hooked, auditing(), work=False, telemetry=collected.option):
        await until(lambda: collected.value(metrics.BACKLOG, twofold_subscription="audit") == 0)
        away = True
        unknown = {"twofold_subscription": "audit", "twofold_reason": "store_unavailable"}
        await until(lambda: collected.value(metrics.LAG_UNKNOWN, **unknown) == 1)
        assert collected.points(metrics.BACKLOG) == collected.points(metrics.LAG) == []
        await until(lambda: collected.value(metrics.PROBLEMS, twofold_problem_code="store_unavailable") == 1)


def test_readings_expire() -> None:
    """Readings that are not replaced in time are not reported, but those that say so."""
    created: dict[str, Any] = {}

    class Meter:
        def create_observable_gauge(self, name: str, callbacks: list[Any], **options: str) -> None:
            created[name] = callbacks[0]

    board = Board(Meter(), lambda value, attributes: value)
    lag, stale = Reading(metrics.LAG, 3.0, {}), Reading(metrics.LAG_UNKNOWN, 1, {})
    board.publish("app", [lag], [stale], 1000.0)
    assert [list(created[each.name](None)) for each in (metrics.LAG, metrics.LAG_UNKNOWN)] == [[3.0], []]
    board.publish("app", [lag], [stale], -1.0)
    assert [list(created[each.name](None)) for each in (metrics.LAG, metrics.LAG_UNKNOWN)] == [[], [1]]


async def test_leases_count_when_they_change(collected: Collected) -> None:
    """A worker that starts and stops acquires its lease and releases it."""
    async with running(InMemory(), auditing(), telemetry=collected.option) as app:
        await settled_bank(app)
        audit = {"twofold_subscription": "audit"}
        await until(lambda: collected.value(metrics.LEASE_CHANGES, twofold_outcome="acquired", **audit) == 1)
    assert collected.value(metrics.LEASE_CHANGES, twofold_outcome="released", **audit) == 1


async def test_queries_and_their_waits_are_measured(collected: Collected) -> None:
    """A query of a session waits for its projection, apart from its own duration. A timeout has the class of the error."""
    async with running(InMemory(), auditing(), work=False, telemetry=collected.option) as app:
        await app.execute(GetAudit(account_id="a"))
        async with app.session() as session:
            await session.dispatch(Open(account_id="a"))
            with pytest.raises(ReadNotReady):
                await session.execute(GetAudit(account_id="a"), timeout=0)
    assert collected.value(metrics.QUERY_DURATION, twofold_message_type="GetAudit") == 1
    late = {"twofold_subscription": "audit", "error_type": "twofold.errors.ReadNotReady"}
    assert collected.value(metrics.WAIT_DURATION, **late) == 1


async def test_lookups_in_the_cache_count_by_their_outcome(collected: Collected) -> None:
    """A first query misses, a second one hits, and a cache that does not answer is a failure."""
    loads, cache = Loads(), InMemoryCache()
    async with running(InMemory(), reading(loads), cache=cache, telemetry=collected.option) as app:
        await deposits(app, "a")
        await settled_bank(app)
        await app.execute(GetCached(account_id="a"))
        await app.execute(GetCached(account_id="a"))

        async def lookup(*args: Any, **options: Any) -> Any:
            raise TransientFailure("the cache is away")

        cache.lookup = lookup  # type: ignore[method-assign]
        await app.execute(GetCached(account_id="a"))
    outcomes = {found["twofold.outcome"]: value for found, value in collected.points(metrics.CACHE_LOOKUPS)}
    assert outcomes == {"miss": 1, "hit": 1, "failure": 1}


async def test_messages_between_applications_count(collected: Collected) -> None:
    """The relay counts confirmed messages, and the receiver those that it has recorded."""
    broker = InMemoryTransport()
    option: dict[str, Any] = {"telemetry": collected.option}
    async with selling(InMemory(), broker, **option) as shop, shipping(InMemory(), broker, **option) as depot:
        await shop.dispatch(Sell(order_id="1", number=3))
        await settled(shop, depot)
    assert collected.value(metrics.SENT, twofold_outcome="confirmed", messaging_system="memory") == 3
    assert collected.value(metrics.CONSUMED, twofold_outcome="recorded", twofold_application="depot") == 3


async def test_scheduled_commands_are_measured(collected: Collected) -> None:
    """A scheduled command reports by how much it was late, and its failed attempts."""
    clock = Dial()

    async def during(command: Remind) -> None:
        raise Broken

    app = Application(
        "reminders",
        write=InMemory(),
        clock=clock,
        telemetry=collected.option,
        retry_scheduled=Retry(attempts=1),
    )
    app.include(reminding(during))
    async with app:
        async with app.session() as session:
            await session.schedule(Remind(note="a"), at=clock.after(-5))
        await until(lambda: collected.value(metrics.SCHEDULE_FAILURES, twofold_outcome="stuck") == 1)
        await until(lambda: collected.value(metrics.PROBLEMS, twofold_problem_code="schedule_stuck") == 1)
        assert not any(metrics.PROBLEM_SUBJECT in found for found, _ in collected.points(metrics.PROBLEMS))
    (point,) = collected.metrics()[metrics.SCHEDULE_DELAY.name].data.data_points
    assert 5 <= point.sum < 60
    assert point.attributes["twofold.message.type"] == "test.remind"


async def test_remote_calls_are_measured(collected: Collected) -> None:
    """A call of another application is measured, with the class of its error."""
    broker = InMemoryTransport()
    async with broker:
        bus = RemoteCommandBus(broker, "nobody", telemetry=collected.option)
        with pytest.raises(Exception, match="nobody") as raised:
            await bus.dispatch(Remind(note="a"), timeout=0.01)
    error = f"twofold.errors.{type(raised.value).__name__}"
    assert collected.value(metrics.REMOTE_DURATION, twofold_service="nobody", error_type=error) == 1


async def test_processes_are_counted(collected: Collected) -> None:
    """Processes are counted by name and state."""
    app = Application("fulfilling", write=InMemory(), telemetry=collected.option)
    app.include(fulfilling(Handlers()))
    async with app:
        for order_id in "ab":
            await app.dispatch(Order(order_id=order_id))
        await app.settle()
        await app.dispatch(Pay(order_id="a"))
        await app.settle()
        for state in ("completed", "waiting"):
            labels = {"twofold_process": NAME, "twofold_process_state": state}
            await until(lambda labels=labels: collected.value(metrics.PROCESSES, **labels) == 1)  # type: ignore[misc]


async def test_measurements_have_the_documented_attributes(collected: Collected) -> None:
    """All measurements have the unit and no other attributes than the table says. None has a key, a tenant or a text."""
    async with failing_orders(collected, Retry(attempts=1)) as app, app.session(tenant="a tenant") as session:
        await session.dispatch(Place(number=987), idempotency_key="a key")
        await app.settle()
        await until(lambda: collected.value(metrics.PARKED, twofold_subscription="mail") == 1)
        for name, found in collected.metrics().items():
            (metric,) = [each for each in metrics.METRICS if each.name == name]
            assert (found.unit, found.description) == (metric.unit, metric.text)
            for point in found.data.data_points:
                assert set(point.attributes) <= {metrics.APPLICATION, *metric.attributes}
                assert not any(text in str(point.attributes) for text in ("a tenant", "a key", "987", "the text"))


def test_names_are_unique_and_units_are_set() -> None:
    """Each metric has a name and a unit of its own, and a histogram has buckets."""
    assert len({each.name for each in metrics.METRICS}) == len(metrics.METRICS)
    assert all(each.unit and (bool(each.buckets) == (each.kind == "histogram")) for each in metrics.METRICS)
    assert set(metrics.METRICS) == {each for each in vars(metrics).values() if isinstance(each, metrics.Metric)}
