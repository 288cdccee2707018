"""`check()` reports all faults of relays and feeds together, each with file and line."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from twofold import Application, Command, Event, Query, Router
from twofold.errors import InvalidDefinition, WiringError
from twofold_memory import InMemory, InMemoryTransport


class Sold(Event, name="shop.sold"):
    order_id: str


class Nameless(Event):
    pass


class BuyTool(Command[None]):
    pass


class Every(Query[AsyncIterator[int]], name="shop.every"):
    pass


def faults_of(app: Application) -> list[str]:
    """Return the faults that `check()` finds."""
    with pytest.raises(WiringError) as raised:
        app.check()
    return [str(fault) for fault in raised.value.faults]


def assert_found(app: Application, *parts: str) -> None:
    """Expect one fault for each of these texts, and no other, each in this file."""
    found = faults_of(app)
    assert len(found) == len(parts), found
    for part in parts:
        (fault,) = [each for each in found if part in each]
        assert f"{__file__}:" in fault


def test_events_without_a_broker_are_found() -> None:
    """Relaying and consuming need a transport, in the application and in its modules."""
    router = Router("more")
    router.consume(Sold, source="depot")
    app = Application("shop", write=InMemory())
    app.relay(Sold)
    app.include(router)
    found = faults_of(app)
    assert len(found) == 2
    assert all("has no broker" in fault for fault in found)


def test_a_relay_or_a_consumer_of_nothing_is_found() -> None:
    """Both name events, and these have stable names."""
    app = Application("shop", write=InMemory(), transport=InMemoryTransport())
    app.relay()
    app.consume(source="depot")
    found = faults_of(app)
    assert len(found) == 2
    assert all("No event class is named" in fault for fault in found)
    app = Application("shop", write=InMemory(), transport=InMemoryTransport())
    app.relay(Nameless)
    assert_found(app, "Nameless has no stable name")


def test_a_second_relay_is_found() -> None:
    """One checkpoint says how far events have gone out; a second relay of the same or another name is a fault."""
    app = Application("shop", write=InMemory(), transport=InMemoryTransport())
    app.relay(Sold)
    app.relay(Sold, name="other")
    assert_found(app, "a second relay")


def test_an_application_that_consumes_itself_is_found() -> None:
    """Its own events are in its log; received once more they would be recorded twice."""
    app = Application("shop", write=InMemory(), transport=InMemoryTransport())
    app.consume(Sold, source="shop")
    assert_found(app, "'shop' consumes its own events")


def test_a_served_stream_is_found() -> None:
    """One reply answers one request."""
    app = Application("shop", write=InMemory(), transport=InMemoryTransport())
    app.serve(Every)

    @app.query_handler(Every)
    async def every(query: Every) -> AsyncIterator[int]:
        yield 1

    assert_found(app, "Every is served but returns a stream")


def test_the_names_that_are_proposed_are_usual_ones() -> None:
    """A proposed name separates the words of the class name."""
    app = Application("shop", write=InMemory(), transport=InMemoryTransport())
    app.serve(BuyTool)
    app.command_handler(BuyTool)(lambda command: None)
    assert_found(app, "name='shop.buy_tool'")


def test_an_order_that_events_do_not_have_is_found() -> None:
    """The ordering key is a field of every event."""
    app = Application("shop", write=InMemory(), transport=InMemoryTransport())
    app.relay(Sold, partition_by="customer")
    assert_found(app, "partition_by='customer' is not a field of Sold")


@pytest.mark.parametrize("name", ["our shop", "shop/1"])
def test_names_that_a_broker_cannot_carry_are_found(name: str) -> None:
    """Of the application that relays, of sources and of consumers."""
    app = Application(name, write=InMemory(), transport=InMemoryTransport())
    app.relay(Sold)
    app.consume(Sold, source=f"{name}!", consumer=f"from {name}")
    found = faults_of(app)
    assert len(found) == 3


def test_two_consumers_of_one_name_are_found() -> None:
    """They would share one queue; and a feed has one part or more."""
    app = Application("depot", write=InMemory(), transport=InMemoryTransport())
    app.consume(Sold, source="shop", partitions=0)
    app.consume(Sold, source="shop", partitions=-1)
    assert_found(app, "two consumers are named 'depot.shop'", "partitions=0", "partitions=-1")


@pytest.mark.parametrize("given", ["shop.sold", Sold(order_id="a"), int])
def test_a_class_that_is_not_an_event_is_refused_immediately(given: object) -> None:
    """The decorator itself raises an error that names the accepted classes."""
    app = Application("depot", write=InMemory(), transport=InMemoryTransport())
    with pytest.raises(InvalidDefinition):
        app.relay(given)  # type: ignore[arg-type]
    with pytest.raises(InvalidDefinition):
        app.consume(given, source="shop")  # type: ignore[arg-type]
    with pytest.raises(InvalidDefinition):
        app.serve(given)  # type: ignore[arg-type]
