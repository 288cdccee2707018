"""A base class in `relay` and `consume` stands for its subclasses."""

from __future__ import annotations

import pytest

from twofold import AggregateRemoved, Application, Command, Event, UnitOfWork
from twofold.errors import NoHandler
from twofold.testing.conformance._tools.in_time import until
from twofold_memory import InMemory, InMemoryTransport


class Shipped(Event):
    """A base class."""

    id: str


class ByRoad(Shipped, name="bases.by_road"):
    pass


class BySea(Shipped, name="bases.by_sea"):
    pass


class Internal(Event, name="bases.internal"):
    pass


class Ship(Command[None]):
    pass


async def test_relay_and_consume_take_base_classes() -> None:
    """Events of each subclass arrive, whether the relay names their base class or all events."""
    for relayed in (Shipped, Event):
        broker, heard = InMemoryTransport(), list[str]()
        shop = Application("shop", write=InMemory(), transport=broker)
        depot = Application("depot", write=InMemory(), transport=broker)

        @shop.command_handler(Ship)
        async def ship(command: Ship, unit: UnitOfWork) -> None:
            for event in (ByRoad(id="a"), Internal(), BySea(id="a")):
                unit.record(event, stream="shipments")

        shop.relay(relayed, start="beginning", unroutable="drop")
        depot.consume(Shipped, source="shop", start="beginning")

        @depot.event_handler(Shipped, name="shipped", start="beginning")
        async def shipped(event: Shipped, heard: list[str] = heard) -> None:
            heard.append(type(event).__name__)

        async with depot, shop:
            await shop.dispatch(Ship())
            await until(lambda heard=heard: len(heard) == 2, "two shipments were to arrive")  # type: ignore[misc]
            await shop.settle()
            assert {each.parked for each in await shop.operations.status()} == {0}
        assert heard == ["ByRoad", "BySea"]


def test_a_relay_of_all_events_leaves_out_those_of_twofold() -> None:
    """Events that Twofold records are not published: no other application can name them."""
    app = Application("shop", write=InMemory(), transport=InMemoryTransport())
    app.relay(Event)
    assert "relay relay" in app.explain(Internal)
    with pytest.raises(NoHandler):
        app.explain(AggregateRemoved)
