"""A handler of a base class receives the events of every subclass, or the application reports a fault."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import pytest

from tests.wiring.faults import faults_of
from twofold import Aggregate, Application, Cache, Command, Event, Query, ReadModel, Repository, UnitOfWork, View, on
from twofold.errors import ConfigurationError, NoHandler
from twofold_memory import InMemory, InMemoryCache

T = TypeVar("T")


class Changed(Event, Generic[T]):
    """A generic base class."""

    id: str
    to: T


class Renamed(Changed[str], name="received.renamed"):
    pass


class Moved(Changed[int], name="received.moved"):
    pass


class Empty(Event):
    """A base class without subclasses."""

    id: str


class Tracked(Aggregate, name="heard_tracked"):
    id: str
    changes: int

    @on(Changed)
    def _changed(self, event: Changed[Any]) -> None:
        self.id, self.changes = event.id, getattr(self, "changes", 0) + 1

    @on(Moved)
    def _moved(self, event: Moved) -> None:
        self.changes += 10


class Row(View, name="heard_rows", key="id"):
    id: str
    seen: tuple[str, ...] = ()


class Change(Command[None]):
    id: str
    move: bool = False


class Ask(Query["Row | None"]):
    id: str


class Rows:
    """A projection with a method on a base class."""

    def __init__(self, rows: ReadModel[Row]) -> None:
        self.rows = rows

    @on(Changed)
    async def changed(self, event: Changed[Any]) -> None:
        row = await self.rows.get(event.id)
        await self.rows.put(Row(id=event.id, seen=(*(row.seen if row else ()), type(event).__name__)))


async def change(command: Change, unit: UnitOfWork) -> None:
    """Record an event of a subclass."""
    unit.record(Moved(id=command.id, to=1) if command.move else Renamed(id=command.id, to="b"))


async def ask(query: Ask, rows: ReadModel[Row]) -> Row | None:
    """Return a row."""
    return await rows.get(query.id)


def test_explain_lists_the_subscriptions_that_receive_an_event(app: Application) -> None:
    """`explain` lists handlers of base classes of an event, and the most general ones too."""

    @app.event_handler(Changed, name="changes")
    async def changed(event: Changed[Any]) -> None: ...

    @app.event_handler(Changed[str], name="texts")
    async def text_changed(event: Changed[str]) -> None: ...

    @app.event_handler(Event, name="everything")
    async def happened(event: Event) -> None: ...

    received = [line.split(",")[0].split(". ")[1] for line in app.explain(Renamed).splitlines()[1:]]
    assert received == [f"event handler {each}" for each in ("changes", "texts", "everything")]
    assert "texts" not in app.explain(Moved)


def test_a_base_class_itself_cannot_be_explained(app: Application) -> None:
    """`explain` of a base class names the subclasses that it can explain."""

    @app.event_handler(Changed, name="changes")
    async def changed(event: Changed[Any]) -> None: ...

    with pytest.raises(NoHandler, match=r"Explain one of its subclasses: .*Moved") as caught:
        app.explain(Changed)
    assert "Renamed" in str(caught.value)


def test_a_base_class_without_subclasses_is_a_fault(app: Application) -> None:
    """A handler of a class without a stable name and without subclasses would receive nothing."""

    @app.event_handler(Empty, name="empty")
    async def happened(event: Empty) -> None: ...

    assert "import the modules of its subclasses before the application starts" in faults_of(app)


def test_two_subclasses_of_one_name_are_a_fault(app: Application) -> None:
    """Two subclasses of a base class that share a name cannot both be decoded."""

    class Base(Event): ...

    one = type("One", (Base,), {"__module__": __name__}, name="received.twice")
    other = type("Other", (Base,), {"__module__": __name__}, name="received.twice")

    @app.event_handler(Base, name="base")
    async def happened(event: Base) -> None: ...

    assert "two event classes are named 'received.twice': One and Other" in faults_of(app)
    assert one is not other


def test_an_ordering_key_is_a_field_of_the_base_class(app: Application) -> None:
    """A subscription to a base class is ordered by a field of the base class, which every subclass has."""

    @app.event_handler(Changed, name="ordered", partition_by="id")
    async def changed(event: Changed[Any]) -> None: ...

    app.check()

    @app.event_handler(Event, name="disordered", partition_by="id")
    async def happened(event: Event) -> None: ...

    assert "partition_by='id' is not a field of Event" in faults_of(app)


def test_all_events_of_a_source_cannot_be_consumed(app: Application) -> None:
    """An application cannot consume `Event`, which includes its own events."""
    app.consume(Event, source="another")
    assert "all events of 'another' are consumed, which would include those of this application itself" in faults_of(
        app
    )


async def test_a_subclass_that_is_defined_later_is_refused() -> None:
    """An event of a subclass that was defined after the start is refused: handlers of the base class do not know it."""

    class Base(Event):
        id: str

    class Known(Base, name="received.known"): ...

    app = Application("late", write=InMemory())
    later: list[type[Base]] = []
    received: list[str] = []

    @app.command_handler(Change)
    async def record(command: Change, unit: UnitOfWork) -> None:
        unit.record((later[0] if command.move else Known)(id=command.id))

    @app.event_handler(Base, name="base", start="beginning")
    async def happened(event: Base) -> None:
        received.append(event.id)

    async with app:

        class Late(Base, name="received.late"): ...

        later.append(Late)
        with pytest.raises(ConfigurationError, match=r"Late was defined after the application started"):
            await app.dispatch(Change(id="a", move=True))
        await app.dispatch(Change(id="b"))
        await app.settle()
    assert received == ["b"]


async def test_an_event_whose_name_several_classes_have_is_refused() -> None:
    """A handler of all events cannot decode a name that several classes have, unless a handler names one of them."""

    def defined(module: str) -> type[Event]:
        return type("Shared", (Event,), {"__module__": module}, name="received.shared")

    one, other = defined("one"), defined("other")
    app = Application("shared", write=InMemory())

    @app.command_handler(Change)
    async def record(command: Change, unit: UnitOfWork) -> None:
        unit.record(one())

    @app.event_handler(Event, name="everything", start="beginning")
    async def happened(event: Event) -> None: ...

    async with app:
        with pytest.raises(
            ConfigurationError, match=r"several event classes are named 'received.shared', one.Shared and "
        ):
            await app.dispatch(Change(id="a"))

    @app.event_handler(one, name="shared")
    async def shared(event: Event) -> None: ...

    async with app:
        await app.dispatch(Change(id="a"))
        await app.settle()
        assert {each.parked for each in await app.operations.status()} == {0}
    assert other is not one


@pytest.mark.parametrize("event_sourced", [False, True])
async def test_an_aggregate_takes_the_events_of_subclasses(event_sourced: bool) -> None:
    """A method of an aggregate on a base class takes events of subclasses, unless a method is nearer."""
    app = Application("tracked", write=InMemory(), event_sourced=[Tracked] if event_sourced else [])

    @app.command_handler(Change)
    async def record(command: Change, tracked: Repository[Tracked]) -> None:
        if not command.move:
            return await tracked.add(Tracked.begin(Renamed(id=command.id, to="a")))
        (await tracked.get(command.id)).record(Moved(id=command.id, to=1))
        return None

    @app.query_handler(Ask)
    async def count(query: Ask, tracked: Repository[Tracked]) -> Row | None:
        return Row(id=query.id, seen=(str((await tracked.get(query.id)).changes),))

    async with app:
        await app.dispatch(Change(id="a"))
        await app.dispatch(Change(id="a", move=True))
        assert await app.execute(Ask(id="a")) == Row(id="a", seen=("11",))


async def test_an_inline_projection_applies_the_events_of_subclasses(app: Application) -> None:
    """An inline projection on a base class is applied in the transaction of each event of a subclass."""
    app.command_handler(Change)(change)
    app.projection("rows", mode="inline")(Rows)
    app.query_handler(Ask)(ask)
    async with app:
        await app.dispatch(Change(id="a"))
        await app.dispatch(Change(id="a", move=True))
        assert await app.execute(Ask(id="a")) == Row(id="a", seen=("Renamed", "Moved"))


@pytest.mark.parametrize("base", [Changed, Event])
async def test_events_of_subclasses_invalidate_cached_answers(base: type[Event]) -> None:
    """A base class in `invalidated_by` stands for each of its subclasses, `Event` for all events."""
    app = Application("cached", write=InMemory(), cache=InMemoryCache())
    key = "row:{id}" if base is Changed else "row"
    app.command_handler(Change)(change)
    app.projection("rows")(Rows)
    app.query_handler(Ask, cache=Cache(ttl=3600, key=key, invalidated_by={base: key}))(ask)
    async with app:
        for move, seen in ((False, ("Renamed",)), (True, ("Renamed", "Moved"))):
            await app.dispatch(Change(id="a", move=move))
            await app.settle()
            for _ in range(2):
                assert await app.execute(Ask(id="a")) == Row(id="a", seen=seen)
        assert app.operations.cache_stats().hits == 2
