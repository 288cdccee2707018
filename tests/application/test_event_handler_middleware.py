"""Middleware around event handlers."""

from __future__ import annotations

from typing import Any

import pytest

from twofold import Application, Command, Event, EventBus, UnitOfWork
from twofold._buses.chain import CallNext, Middleware
from twofold.ports import WriteStore
from twofold.testing.conformance._tools.in_time import in_time


class Placed(Event, name="reacting.placed"):
    """The first event of the event handler."""


class Paid(Event, name="reacting.paid"):
    """The second one."""


class Refunded(Paid, name="reacting.refunded"):
    """A subclass of `Paid`. Middleware of `Paid` also runs for it."""


class Emit(Command[None]):
    """Records one event of each kind."""


@pytest.mark.parametrize("first", [Placed, Paid, Refunded])
async def test_each_event_passes_its_own_middleware(store: WriteStore, first: type[Event]) -> None:
    """Each event runs through the middleware of its own class, in any order of the classes."""
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


async def test_an_error_that_middleware_answers(store: WriteStore) -> None:
    """If middleware answers the error of an event handler, the event counts as handled.

    The handler's changes are undone.
    """

    async def answering(message: Any, call_next: CallNext) -> Any:
        try:
            return await call_next(message)
        except LookupError:
            return None

    app = Application("reacting", write=store)
    app.use(answering, on=Placed)

    @app.command_handler(Emit)
    async def emit(command: Emit, events: EventBus) -> None:
        await events.publish(Placed())

    @app.event_handler(Placed, name="react")
    async def react(event: Placed, unit: UnitOfWork) -> None:
        unit.record(Paid())
        await unit.transaction()
        raise LookupError("after the first of two steps")

    await app.create_schema()
    with in_time():
        async with app:
            await app.dispatch(Emit())
            await app.settle()
            assert [each.name for each in (await store.log.read_all()).events] == [Placed.message_name]
            (status,) = await app.operations.status()
            assert (status.lag, status.parked, status.retrying) == (0, 0, 0)
