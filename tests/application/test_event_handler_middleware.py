"""Middleware around event handlers."""

from __future__ import annotations

from typing import Any

import pytest

from twofold import Application, Command, Event, EventBus
from twofold._buses.chain import CallNext, Middleware
from twofold.ports import WriteStore
from twofold.testing.conformance._tools.in_time import in_time


class Placed(Event, name="reacting.placed"):
    """The first event of the event handler."""


class Paid(Event, name="reacting.paid"):
    """The second one."""


class Refunded(Paid, name="reacting.refunded"):
    """A kind of payment; what is around `Paid` is around this too."""


class Emit(Command[None]):
    """Records one event of each kind."""


@pytest.mark.parametrize("first", [Placed, Paid, Refunded])
async def test_each_event_passes_its_own_middleware(store: WriteStore, first: type[Event]) -> None:
    """Each event of an event handler passes the middleware of its own class, whichever class is named first."""
    ran: list[str] = []

    def noting(name: str) -> Middleware:
        async def link(message: Any, call_next: CallNext) -> Any:
            ran.append(f"{name} around {type(message).__name__}")
            return await call_next(message)

        return link

    app = Application("reacting", write=store)
    for each in (Event, Placed, Paid, Refunded):
        app.use(noting(each.__name__), on=each)
    taken = [first, *(each for each in (Placed, Paid, Refunded) if each is not first)]

    @app.command_handler(Emit)
    async def emit(command: Emit, events: EventBus) -> None:
        for each in (Placed(), Paid(), Refunded()):
            await events.publish(each)

    @app.event_handler(*taken, name="react", partition_by=None)
    async def react(event: Event) -> None:
        ran.append(f"event_handler to {type(event).__name__}")

    await app.create_schema()
    with in_time():
        async with app:
            await app.dispatch(Emit())
            await app.settle()
    runs = {name: [step.split()[0] for step in ran if step.endswith(name)] for name in ("Placed", "Paid", "Refunded")}
    assert runs == {
        "Placed": ["Event", "Placed", "event_handler"],
        "Paid": ["Event", "Paid", "event_handler"],
        "Refunded": ["Event", "Paid", "Refunded", "event_handler"],
    }
