"""Views and aggregates that are declared or used wrongly are refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import model_serializer

from tests.domains.orders import Place, Placed
from tests.wiring.domain import Thing
from twofold import Aggregate, Application, Event, Repository, View, on
from twofold.errors import ConfigurationError, InvalidDefinition
from twofold_memory import InMemory


def keyless() -> None:
    class Keyless(View, name="keyless"):
        order_id: str


def nameless() -> None:
    class Nameless(View, key="order_id"):
        order_id: str


def one_text() -> None:
    class OneText(View, name="one_text", key="id", indexes="id"):
        id: str


def serialised() -> None:
    class Serialised(View, name="serialised", key="id"):
        id: str

        @model_serializer
        def serialise(self) -> dict[str, str]:
            return {"ID": self.id}


@pytest.mark.parametrize(
    ("declare", "said"),
    [
        (
            serialised,
            "it has a model_serializer, and stores keep the fields of a row in columns. Use a field_serializer",
        ),
        (keyless, "a name and no key. Give both"),
        (keyless, "class Keyless(View, name='keyless', key='order_id')"),
        (nameless, "a key and no name. Give both"),
        (one_text, "indexes='id' of the view"),
    ],
)
def test_a_view_that_is_declared_wrongly(declare: Callable[[], None], said: str) -> None:
    """The error names the missing or wrong argument, and the line to write."""
    with pytest.raises(InvalidDefinition, match=re.escape(said)):
        declare()


@pytest.mark.parametrize("default", [[], {}, set()])
def test_defaults_that_all_aggregates_would_share(default: Any) -> None:
    """A mutable default of an attribute is refused. A class constant may be mutable."""
    body = {"__annotations__": {"items": "list[str]"}, "items": default}
    with pytest.raises(InvalidDefinition, match="all aggregates would share it"):
        type("Basket", (Aggregate,), body)
    type("Ruled", (Aggregate,), {"__annotations__": {"rules": "ClassVar[list[str]]"}, "rules": default})


def test_an_async_method_of_an_aggregate() -> None:
    """Nothing awaits a method of an aggregate, so the event would change nothing."""
    with pytest.raises(InvalidDefinition, match=r"cannot apply events by .*Slow\.placed: it is async"):

        class Slow(Aggregate, name="slow"):
            @on(Placed)
            async def placed(self, event: Placed) -> None: ...


def test_an_aggregate_begun_by_an_event_that_it_does_not_take() -> None:
    """The first event sets the id, so the aggregate needs a method for it."""
    with pytest.raises(ConfigurationError, match=r"cannot begin Thing with Placed: .*@on\(Placed\).*: none"):
        Thing.begin(Placed())


class Sized(Aggregate, name="sized"):
    id: str
    size: int

    @on(Placed)
    def placed(self, event: Placed) -> None:
        self.id, self.size = "1", event.number

    def shout(self) -> None:
        self.record(Shouted())


class Shouted(Event, name="wiring.shouted"):
    pass


@pytest.mark.parametrize("event_sourced", [True, False])
async def test_an_event_that_changes_nothing(event_sourced: bool) -> None:
    """A state-stored aggregate may record one. An event-sourced aggregate cannot: its events are its state."""
    app = Application("wiring", write=InMemory(), event_sourced=[Sized] if event_sourced else [])

    @app.command_handler(Place)
    async def place(command: Place, things: Repository[Sized]) -> str:
        thing = Sized.begin(Placed())
        thing.shout()
        await things.add(thing)
        return thing.id

    async with app:
        if event_sourced:
            with pytest.raises(ConfigurationError, match=r"cannot append Shouted to sized-1: .*@on\(Shouted\)"):
                await app.dispatch(Place())
        else:
            await app.dispatch(Place())
        assert await app.write.log.head() == (0 if event_sourced else 2)


@pytest.mark.parametrize("id", ["unset", None])
async def test_an_aggregate_without_an_id(app: Application, id: str | None) -> None:
    """An aggregate that is added needs an id, which is its key in the store."""

    class Nameless(Aggregate, name="nameless"):
        size: int

        @on(Placed)
        def placed(self, event: Placed) -> None:
            self.size = event.number
            if id is None:
                self.id = None

    @app.command_handler(Place)
    async def place(command: Place, things: Repository[Nameless]) -> str:
        await things.add(Nameless.begin(Placed()))
        return ""

    async with app:
        with pytest.raises(ConfigurationError, match=r"cannot save Nameless: its id is not set\. .*set self\.id"):
            await app.dispatch(Place())


@pytest.mark.parametrize("option", ["snapshot_every", "snapshot_version"])
def test_numbers_of_snapshots_are_positive(option: str) -> None:
    """Zero is refused with the name of the argument and of the class."""
    with pytest.raises(InvalidDefinition, match=f"{option}=0 for .*Order: it must be at least 1"):

        class Order(Aggregate, name="order", **{option: 0}):
            id: str
