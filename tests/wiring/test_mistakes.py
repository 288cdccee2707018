"""Mistakes that a beginner makes, and what is said about them: where they are made, or when the wiring is checked."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from twofold import (
    Aggregate,
    Application,
    Command,
    CommandBus,
    Event,
    Query,
    QueryBus,
    ReadModel,
    Repository,
    Session,
    UnitOfWork,
    View,
    on,
)
from twofold.errors import ApplicationNotRunning, ConfigurationError, InvalidDefinition, NoHandler, WiringError
from twofold_memory import InMemory


class Place(Command[str]):
    number: int = 1


class Ask(Query[str]):
    number: int = 1


class Look(Query[int]):
    number: int = 1


class Placed(Event, name="mistakes.placed"):
    number: int = 1


class Row(View, name="mistakes_row", key="number"):
    number: int


def keyless() -> None:
    class Keyless(View, name="keyless"):
        order_id: str


def nameless() -> None:
    class Nameless(View, key="order_id"):
        order_id: str


def one_text() -> None:
    class OneText(View, name="one_text", key="id", indexes="id"):
        id: str


@pytest.mark.parametrize(
    ("declare", "said"),
    [
        (keyless, "a name and no key. Say both"),
        (keyless, "class Keyless(View, name='keyless', key='order_id')"),
        (nameless, "a key and no name. Say both"),
        (one_text, "indexes='id' of the view"),
    ],
)
def test_a_view_that_is_declared_wrongly(declare: Callable[[], None], said: str) -> None:
    """What is missing is said, with the line to write."""
    with pytest.raises(InvalidDefinition, match=re.escape(said)):
        declare()


class Thing(Aggregate, name="thing"):
    id: str


class Rows:
    def __init__(self, rows: ReadModel[Row]) -> None:
        self.rows = rows

    @on(Placed)
    async def placed(self, event: Placed) -> None: ...


@pytest.fixture
def app() -> Application:
    """Give an application without handlers."""
    return Application("mistakes", write=InMemory())


def found(app: Application) -> str:
    """Return the faults of an application, without the places."""
    with pytest.raises(WiringError) as caught:
        app.check()
    assert all(fault.file == __file__ and fault.line for fault in caught.value.faults)
    return "\n".join(fault.message for fault in caught.value.faults)


@pytest.mark.parametrize("decorator", ["command_handler", "query_handler", "reaction", "projection"])
def test_a_decorator_without_parentheses(app: Application, decorator: str) -> None:
    """A decorator that is given the handler itself registers nothing, and says how it is written."""

    async def place(command: Place) -> str:
        return ""

    options = {"name": "reaction"} if decorator == "reaction" else {}
    with pytest.raises(InvalidDefinition, match=rf"cannot use @{decorator} so: .*place.*Write @{decorator}\("):
        getattr(app, decorator)(place, **options)


@pytest.mark.parametrize(
    ("decorator", "given"), [("command_handler", Ask), ("query_handler", Place), ("command_handler", Placed)]
)
def test_a_decorator_of_another_kind(app: Application, decorator: str, given: Any) -> None:
    """The handler of a command takes the class of a command."""
    with pytest.raises(InvalidDefinition, match=given.__name__):
        getattr(app, decorator)(given)


def test_a_reaction_to_a_command(app: Application) -> None:
    """Reactions are to events."""
    with pytest.raises(InvalidDefinition, match="takes the class of an event"):
        app.reaction(Place, name="r")  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"write": "sqlite:///"}, "write='sqlite:///': give a store"),
        ({"read": "redis"}, "read='redis': give a store"),
        ({"event_sourced": Thing}, "event_sourced=.*Thing.*give a list of aggregate classes"),
        ({"event_sourced": ["Thing"]}, r"event_sourced=\['Thing'\]: give the classes themselves"),
        ({"event_sourced": "Thing"}, "event_sourced='Thing': give a list"),
        ({"keep_records": 7}, "keep_records=7: give a timedelta"),
        ({"lease": 0}, "lease=0: give seconds"),
        ({"lease": timedelta(seconds=1)}, "lease=.*give seconds"),
    ],
)
def test_what_an_application_is_made_of(options: dict[str, Any], text: str) -> None:
    """An argument of another type is refused where it is given, with what to give instead."""
    with pytest.raises(ConfigurationError, match=text):
        Application("mistakes", **{"write": InMemory(), **options})


def test_two_projections_of_one_view(app: Application) -> None:
    """Rows belong to one projection, or a rebuild of one would lose what the other wrote."""
    app.projection("first")(Rows)
    app.projection("second")(type("MoreRows", (Rows,), {}))
    assert re.search("two projections have the rows of Row: 'second' here and 'first' at .*:", found(app))


def test_a_query_of_rows_that_nobody_writes(app: Application) -> None:
    """A query whose view no projection writes would always find nothing."""

    @app.query_handler(Ask)
    async def ask(query: Ask, rows: ReadModel[Row]) -> str:
        return ""

    assert "reads the rows of Row, which no projection writes" in found(app)


async def test_reads_need_not_be_named(app: Application) -> None:
    """A query waits for the projections that write the views which it takes, named or not."""
    app.projection("rows")(Rows)

    @app.query_handler(Ask)
    async def ask(query: Ask, rows: ReadModel[Row]) -> str:
        return ""

    assert "in a session: wait for rows" in app.explain(Ask)


def test_what_is_not_async(app: Application) -> None:
    """Rows, repositories and sessions are used by awaiting: what takes them is async."""

    class Sync(Rows):
        @on(Placed)
        def placed(self, event: Placed) -> None: ...  # type: ignore[override]

    app.projection("sync")(Sync)

    @app.command_handler(Place)
    def place(command: Place, things: Repository[Thing]) -> str:
        return ""

    text = found(app)
    assert "Sync.placed is not async" in text
    assert "place is not async, and so it cannot use 'things:" in text


def test_a_sync_handler_of_plain_things(app: Application) -> None:
    """A function that takes nothing to await may be sync."""

    @app.command_handler(Place)
    def place(command: Place) -> str:
        return ""

    app.check()


def test_numbers_and_modes(app: Application) -> None:
    """A subscription has at least one segment, and a projection one of two modes."""
    app.projection("rows", segments=0, mode="sync")(Rows)  # type: ignore[arg-type]
    text = found(app)
    assert "segments=0 of 'rows': a subscription has 1 or more" in text
    assert "mode='sync' of 'rows': use 'async' or 'inline'" in text


def test_queries_that_could_write(app: Application) -> None:
    """A session dispatches commands, so a query takes none."""

    @app.query_handler(Ask)
    async def ask(query: Ask, session: Session) -> str:
        return ""

    assert "a query cannot take a session, which dispatches commands" in found(app)


def test_views_and_aggregates_are_told_apart(app: Application) -> None:
    """A repository of a view, and a read model of an aggregate, are each said to be the other."""

    @app.command_handler(Place)
    async def place(command: Place, rows: Repository[Row], things: ReadModel[Thing]) -> str:  # type: ignore[type-var]
        return ""

    text = found(app)
    assert "is of a view. Take ReadModel[Row]" in text
    assert "is of an aggregate. Take Repository[Thing]" in text


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: CommandBus().dispatch(Ask()), r"it is no command. It is a query: use execute\(\)"),  # type: ignore[arg-type]
        (lambda: QueryBus().execute(Place()), r"it is no query. It is a command: use dispatch\(\)"),  # type: ignore[arg-type]
        (lambda: CommandBus().dispatch(Placed()), "It is an event: let an aggregate"),  # type: ignore[arg-type]
        (lambda: CommandBus().dispatch(Place), r"Make a command of it: Place\("),  # type: ignore[arg-type]
    ],
)
def test_what_belongs_on_another_bus(call: Callable[[], object], text: str) -> None:
    """A message of another kind, and a class, are told from a command that nobody handles."""
    with pytest.raises(NoHandler, match=text):
        call()


@pytest.mark.parametrize("default", [[], {}, set()])
def test_defaults_that_all_aggregates_would_share(default: Any) -> None:
    """What can be changed is no default of an attribute; a constant of the class is."""
    body = {"__annotations__": {"items": "list[str]"}, "items": default}
    with pytest.raises(InvalidDefinition, match="all aggregates would share it"):
        type("Basket", (Aggregate,), body)
    type("Ruled", (Aggregate,), {"__annotations__": {"rules": "ClassVar[list[str]]"}, "rules": default})


async def test_a_session_of_an_application_that_has_stopped(app: Application) -> None:
    """A session ends with the run of its application."""

    @app.command_handler(Place)
    async def place(command: Place, unit: UnitOfWork) -> str:
        return ""

    async with app:
        session = app.session()
        await session.dispatch(Place())
    with pytest.raises(ApplicationNotRunning, match="its application has stopped"):
        await session.dispatch(Place())


async def test_what_to_do_with_a_stale_answer(app: Application) -> None:
    """A misspelt way of dealing with it is refused."""

    @app.query_handler(Ask)
    async def ask(query: Ask) -> str:
        return ""

    async with app:
        with pytest.raises(ConfigurationError, match="on_stale='wiat'"):
            await app.session().execute(Ask(), on_stale="wiat")  # type: ignore[call-overload]
