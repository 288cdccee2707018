"""Tests of applications with scenarios."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.domains.paying import (
    PAYABLE,
    Cancel,
    Cancelled,
    GetOrder,
    Mailer,
    Order,
    OrderRow,
    Paid,
    Pay,
    Place,
    Placed,
    Thank,
    shop,
)
from twofold import Application
from twofold.errors import AggregateNotFound, ConfigurationError
from twofold.testing import ManualClock, Scenario
from twofold_memory import InMemory

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Both event loops."""
    return str(request.param)


async def test_a_command() -> None:
    """A step knows its events, the commands that handlers dispatched, the result and the schedule."""
    mailer = Mailer()
    async with Scenario(shop(mailer)) as scenario:
        placed = await scenario.when(Place(order_id="a"))
        placed.then_returns("a").then_events(Placed(order_id="a")).then_commands()
        placed.then_scheduled((Cancel(order_id="a"), PAYABLE))
        paid = await scenario.when(Pay(order_id="a"))
        paid.then_events(Paid(order_id="a", cents=100)).then_commands(Thank(order_id="a"))
        await scenario.then_rows(OrderRow, OrderRow(order_id="a", state="paid"))
    assert mailer.mails == ["thanks for a"]


@pytest.mark.parametrize("event_sourced", [False, True])
async def test_the_events_of_an_aggregate(event_sourced: bool) -> None:
    """Given events store an aggregate, state-stored or event-sourced, and fill the read models."""
    async with Scenario(shop(event_sourced=event_sourced)) as scenario:
        await scenario.given(Placed(order_id="a"), aggregate=Order)
        await scenario.given(Placed(order_id="b"), Paid(order_id="b", cents=1), aggregate=Order)
        (await scenario.when(Cancel(order_id="a"))).then_events(Cancelled(order_id="a"))
        (await scenario.when(Cancel(order_id="b"))).then_events()
        assert await scenario.rows(OrderRow) == [
            OrderRow(order_id="a", state="cancelled"),
            OrderRow(order_id="b", state="paid"),
        ]


async def test_an_event_and_a_query() -> None:
    """An event is appended to the log; a query returns its answer."""
    async with Scenario(shop()) as scenario:
        (await scenario.when(Placed(order_id="a"))).then_events(Placed(order_id="a"))
        (await scenario.when(GetOrder(order_id="a"))).then_returns(OrderRow(order_id="a", state="open"))


async def test_time_passes() -> None:
    """Scheduled commands are dispatched at their times while the clock moves forward."""
    clock = ManualClock(datetime(2026, 5, 1, tzinfo=UTC))
    async with Scenario(shop(clock=clock)) as scenario:
        await scenario.given(Place(order_id="a"))
        (await scenario.advance(PAYABLE - timedelta(seconds=1))).then_events()
        (await scenario.advance(timedelta(seconds=1))).then_events(Cancelled(order_id="a")).then_scheduled()
    assert clock.now() == datetime(2026, 5, 1, 0, 30, tzinfo=UTC)


async def test_an_event_handler_that_fails_first() -> None:
    """A failed event is retried when the clock has passed the time of the retry."""
    mailer = Mailer(failures=1)
    async with Scenario(shop(mailer)) as scenario:
        await scenario.given(Placed(order_id="a"), aggregate=Order)
        failed = (await scenario.when(Pay(order_id="a"))).then_fails("mail", match="ConnectionError: no mail server")
        assert (failed.event, failed.retried) == (Paid(order_id="a", cents=100), True)
        assert mailer.mails == []
        retried = await scenario.advance(timedelta(minutes=2))
        assert retried.failed == []
    assert mailer.mails == ["thanks for a"]


async def test_a_parked_event_fails_the_scenario() -> None:
    """A scenario does not end well if a subscription could not process an event, and the test did not check it."""
    scenario = Scenario(shop(Mailer(failures=9)))
    with pytest.raises(AssertionError, match=r"could not process these events(.|\n)*mail: Paid\(.*no mail server"):
        async with scenario:
            await scenario.given(Placed(order_id="a"), aggregate=Order)
            await scenario.when(Pay(order_id="a"))
            await scenario.advance(timedelta(hours=1))


async def test_an_unchecked_error_fails_the_scenario() -> None:
    """The end of a scenario raises the error of a step that the test did not check."""
    with pytest.raises(AssertionError, match="Pay raised AggregateNotFound") as caught:
        async with Scenario(shop()) as scenario:
            await scenario.when(Pay(order_id="a"))
    assert isinstance(caught.value.__cause__, AggregateNotFound)


async def test_an_expected_error() -> None:
    """An expected error is checked by its class, and the failed step appended nothing."""
    async with Scenario(shop()) as scenario:
        (await scenario.when(Pay(order_id="a"))).then_raises(AggregateNotFound, match="cannot get Order a")
        (await scenario.when(Place(order_id="a"))).then_events(Placed(order_id="a"))


async def test_differences_fail() -> None:
    """Other events, commands, results, schedules and rows than expected fail with a diff."""
    async with Scenario(shop()) as scenario:
        step = await scenario.when(Place(order_id="a"))
        with pytest.raises(AssertionError, match="Place: the events differ"):
            step.then_events()
        checks: list[Callable[[], object]] = [
            lambda: step.then_commands(Thank(order_id="a")),
            lambda: step.then_returns("b"),
            lambda: step.then_scheduled((Cancel(order_id="a"), timedelta(minutes=29))),
        ]
        for check in checks:
            with pytest.raises(AssertionError, match=r"Place: the .* differ"):
                check()
        with pytest.raises(AssertionError, match="Place raised nothing"):
            step.then_raises(ValueError)
        with pytest.raises(AssertionError, match="'mail' has no failed event"):
            step.then_fails("mail")
        with pytest.raises(AssertionError, match="the rows of OrderRow differ"):
            await scenario.then_rows(OrderRow)


async def test_time_needs_a_manual_clock() -> None:
    """`advance` refuses the system clock."""
    async with Scenario(Application("none", write=InMemory())) as scenario:
        with pytest.raises(ConfigurationError, match="pass a ManualClock"):
            await scenario.advance(timedelta(1))


def test_a_time_without_zone_is_refused() -> None:
    """A clock has aware times only."""
    with pytest.raises(ConfigurationError, match="has no time zone"):
        ManualClock(datetime(2026, 1, 1))  # noqa: DTZ001 -- it is refused
