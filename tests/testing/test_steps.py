"""Tests of outside calls with scenarios."""

from __future__ import annotations

import pytest

from twofold import Application, Command, Event, Retry, Steps, UnitOfWork
from twofold.testing import Scenario
from twofold_memory import InMemory

pytestmark = pytest.mark.anyio


class Placed(Event, name="scenario.placed"):
    order_id: str


class Charged(Event, name="scenario.charged"):
    receipt: str


class Place(Command[None]):
    order_id: str


class Declined(Exception):
    """The card was declined."""


def shop(charged: list[str]) -> Application:
    """Return a shop that charges a card, and sends a mail, for each order."""
    app = Application("shop", write=InMemory())

    @app.command_handler(Place)
    async def place(command: Place, unit: UnitOfWork) -> None:
        unit.record(Placed(order_id=command.order_id), stream=command.order_id)

    @app.event_handler(Placed, name="payments", retry=Retry(attempts=3, delay=60.0, longest=60.0))
    async def pay(event: Placed, steps: Steps, unit: UnitOfWork) -> None:
        async def charge(key: str) -> str:
            charged.append(key)
            return f"receipt {len(charged)}"

        def mail(key: str) -> None:
            if len(charged) < 2:
                raise ConnectionError("no mail server")

        receipt = await steps.run("charge", charge, errors=[Declined])
        await steps.run("mail", mail)
        unit.record(Charged(receipt=receipt), stream=event.order_id)

    @app.event_handler(Charged, name="receipts")
    async def note(event: Charged) -> None:
        pass

    return app


async def test_the_calls_of_a_step_are_shown() -> None:
    """A step shows each call with its key and its outcome. A kept result causes no further call."""
    charged: list[str] = []
    async with Scenario(shop(charged)) as scenario:
        step = await scenario.when(Place(order_id="a"))
        step.then_calls("charge", "mail")
        first, second = step.calls
        assert (first.subscription, first.step, first.key, first.result, first.error) == (
            *("payments", "charge", charged[0], "receipt 1"),
            None,
        )
        assert isinstance(second.error, ConnectionError)
        assert step.then_fails("payments", "no mail server").retried
        (await scenario.when(Place(order_id="b"))).then_calls("charge", "mail").then_events(
            Placed(order_id="b"), Charged(receipt="receipt 2")
        )


async def test_a_test_gives_the_outcomes_of_calls() -> None:
    """A given result or exception stands in place of the call, and the last one also in place of later calls."""
    charged: list[str] = []
    async with Scenario(shop(charged)) as scenario:
        scenario.given_call("charge", "r1", Declined("no money"))
        scenario.given_call("mail", None)
        (await scenario.when(Place(order_id="a"))).then_events(Placed(order_id="a"), Charged(receipt="r1"))
        for order in ("b", "c"):
            step = await scenario.when(Place(order_id=order))
            step.then_calls("charge").then_fails("payments", "Declined: no money")
        assert charged == []


async def test_an_unexpected_call_is_a_difference() -> None:
    """A check of the calls fails with a diff."""
    async with Scenario(shop([])) as scenario:
        scenario.given_call("mail", None)
        step = await scenario.when(Place(order_id="a"))
        with pytest.raises(AssertionError, match="the outside calls"):
            step.then_calls("charge")
        with pytest.raises(TypeError, match="at least one"):
            scenario.given_call("mail")
