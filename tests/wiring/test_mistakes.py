"""Mistakes that a beginner makes, and what is said about them: where they are made, or when the wiring is checked."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any, Literal

import pytest

from twofold import (
    Aggregate,
    Application,
    Cache,
    Command,
    CommandBus,
    Event,
    EventBus,
    Query,
    QueryBus,
    ReadModel,
    RemoteCommandBus,
    Repository,
    Router,
    Session,
    UnitOfWork,
    View,
    on,
)
from twofold._buses.chain import CallNext
from twofold.errors import (
    ApplicationNotRunning,
    ConfigurationError,
    InvalidDefinition,
    InvalidKey,
    NoHandler,
    NotSchedulable,
    WiringError,
)
from twofold.middleware import authorise, logging, retry_conflicts
from twofold_memory import InMemory, InMemoryTransport


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


class ReadOnly:
    """What a read store has and a write store has besides more of."""

    begin = create_schema = subscriptions = None


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


@pytest.mark.parametrize("decorator", ["command_handler", "query_handler", "event_handler", "projection"])
def test_a_decorator_without_parentheses(app: Application, decorator: str) -> None:
    """A decorator that is given the handler itself registers nothing, and says how it is written."""

    async def place(command: Place) -> str:
        return ""

    options = {"name": "event_handler"} if decorator == "event_handler" else {}
    with pytest.raises(InvalidDefinition, match=rf"cannot use @{decorator} so: .*place.*Write @{decorator}\("):
        getattr(app, decorator)(place, **options)


@pytest.mark.parametrize(
    ("decorator", "given"), [("command_handler", Ask), ("query_handler", Place), ("command_handler", Placed)]
)
def test_a_decorator_of_another_kind(app: Application, decorator: str, given: Any) -> None:
    """The handler of a command takes the class of a command."""
    with pytest.raises(InvalidDefinition, match=given.__name__):
        getattr(app, decorator)(given)


def test_an_event_handler_to_a_command(app: Application) -> None:
    """Reactions are to events."""
    with pytest.raises(InvalidDefinition, match="takes the class of an event"):
        app.event_handler(Place, name="r")  # type: ignore[type-var]


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
    """A subscription has at least one partition, and a projection one of two modes."""
    app.projection("rows", partitions=0, mode="sync")(Rows)  # type: ignore[arg-type]
    text = found(app)
    assert "partitions=0 of 'rows': a subscription has 1 or more" in text
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


@pytest.mark.parametrize("given", [(Place,), (lambda self, event: None,), ("Placed",), (Placed, Place), ()])
def test_a_method_on_what_is_no_event(given: Any) -> None:
    """`on` without its brackets, of a command or of nothing marks no method, and says how it is written."""
    with pytest.raises(InvalidDefinition, match=r"cannot use @on so: .*Write @on\(SomeEvent\)"):
        on(*given)


def test_an_async_method_of_an_aggregate() -> None:
    """Nobody would await it, so the event would change nothing."""
    with pytest.raises(InvalidDefinition, match=r"cannot apply events by .*Slow\.placed: it is async"):

        class Slow(Aggregate, name="slow"):
            @on(Placed)
            async def placed(self, event: Placed) -> None: ...


def test_an_aggregate_begun_by_an_event_that_it_does_not_take() -> None:
    """The first event sets the id, so it has a method."""
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


class Shouted(Event, name="mistakes.shouted"):
    pass


@pytest.mark.parametrize("event_sourced", [True, False])
async def test_an_event_that_changes_nothing(event_sourced: bool) -> None:
    """A state-stored aggregate may record one; an event-sourced one, whose events are its state, says so by a method."""
    app = Application("mistakes", write=InMemory(), event_sourced=[Sized] if event_sourced else [])

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
    """What is added has an id, or nothing could be stored under it."""

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


class Every(Query[AsyncIterator[int]]):
    upto: int = 2


class Some(Query["AsyncIterator[int]"]):
    upto: int = 2


class All(Query[list[int]]):
    upto: int = 2


async def counting(query: Every | Some | All) -> AsyncIterator[int]:
    for number in range(query.upto):
        yield number


async def counted(query: Every | Some | All) -> list[int]:
    return list(range(query.upto))


@pytest.mark.parametrize(
    ("query", "handler", "text"),
    [
        (
            All,
            counting,
            r"All is answered with one result, and this handler is an async generator. .*Query\[AsyncIterator",
        ),
        (Every, counted, r"Every is answered with a stream, and this handler is not an async generator. .*Query\[list"),
        (Some, counted, "Some is answered with a stream, and this handler is not an async generator"),
    ],
)
def test_a_stream_that_is_none(app: Application, query: Any, handler: Any, text: str) -> None:
    """A query says that it is answered with a stream, and its handler is an async generator: both or neither."""
    app.query_handler(query)(handler)
    assert re.search(f"{handler.__qualname__}: {text}", found(app))
    with pytest.raises(InvalidDefinition, match=text):
        QueryBus().handler(query)(handler)


def test_handlers_with_a_yield(app: Application) -> None:
    """Nothing of a generator would run, so only queries have one, and it is async."""

    @app.command_handler(Place)
    async def place(command: Place):  # type: ignore[no-untyped-def]
        yield ""

    @app.query_handler(Ask)
    def ask(query: Ask):  # type: ignore[no-untyped-def]
        yield ""

    @app.event_handler(Placed, name="r")
    class React:
        async def __call__(self, event: Placed):  # type: ignore[no-untyped-def]
            yield

    text = found(app)
    assert "place has a `yield`, so nothing of it would run" in text
    assert "ask has a `yield` and is not async" in text
    assert "React has a `yield`" in text


@pytest.mark.parametrize("level", ["bus", "application", "session"])
async def test_a_stream_and_an_answer_are_told_apart(app: Application, level: str) -> None:
    """`execute` of a streaming query says to stream it, and `stream` of a plain one to execute it."""
    bus = QueryBus()
    for each in (app.query_handler, bus.handler):
        each(Every)(counting)
        each(All)(counted)
    async with app:
        asked: Any = {"bus": bus, "application": app, "session": app.session()}[level]
        assert [each async for each in asked.stream(Every())] == await asked.execute(All()) == [0, 1]
        with pytest.raises(NoHandler, match=r"cannot execute Every: it is answered with a stream. .*app.stream\(Every"):
            await asked.execute(Every())
        with pytest.raises(NoHandler, match=r"cannot stream All: it is answered at once.*Use execute\(\)"):
            await anext(asked.stream(All()))
        with pytest.raises(NoHandler, match="no handler for query Look"):
            await anext(asked.stream(Look()))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"write": InMemory}, r"write=<class.*that is the class itself; give a store, such as InMemory\(\)"),
        ({"write": None}, "write=None: give a store"),
        ({"write": ReadOnly()}, "it keeps read models only; give it as read="),
        ({"cache": InMemory()}, r"cache=.*give a cache, such as Redis\(client\).cache\(\)"),
        ({"transport": "amqp://"}, r"transport='amqp://': give a broker, such as RabbitMQ\(url\)"),
        ({"requests": "amqp://"}, "requests='amqp://': give what carries requests"),
        ({"notifier": InMemory()}, r"notifier=.*give what gives notifications, such as Redis\(client\).notifier\(\)"),
        ({"container": {}}, "container={}: give a container"),
        ({"clock": timedelta(1)}, "clock=.*give a clock"),
        ({"retry_scheduled": 3}, "retry_scheduled=3: give a Retry"),
        ({"middleware": retry_conflicts()}, "middleware=.*give a list"),
    ],
)
def test_parts_that_are_none(options: dict[str, Any], text: str) -> None:
    """What an application is composed of is known by what it can do; a class, a URL or a raw client is not it."""
    with pytest.raises(ConfigurationError, match=text):
        Application("mistakes", **{"write": InMemory(), **options})


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"ttl": timedelta(minutes=1)}, "ttl=.*give a number of seconds, such as 60"),
        ({"ttl": None}, "ttl=None: give a number of seconds"),
        ({"negative_ttl": "5"}, "negative_ttl='5'"),
        ({"key": 7}, "key=7: give a text"),
        ({"invalidated_by": [Placed]}, "invalidated_by=.*give the key of each event"),
    ],
)
def test_a_cache_of_other_types(options: dict[str, Any], text: str) -> None:
    """Times are seconds, keys are texts."""
    with pytest.raises(InvalidDefinition, match=text):
        Cache(**{"ttl": 1, "key": "all", **options})


def test_a_cache_that_is_a_flag(app: Application) -> None:
    """How answers are cached is said by a Cache."""
    with pytest.raises(InvalidDefinition, match=r"cannot cache Ask by cache=True: .*Cache\(ttl="):
        app.query_handler(Ask, cache=True)  # type: ignore[arg-type]


@pytest.mark.parametrize("errors", [LookupError, ["LookupError"], "Refused", [LookupError()]])
def test_errors_of_another_process(errors: Any) -> None:
    """They are given as a list of classes."""
    with pytest.raises(ConfigurationError, match=r"errors=.*give a list of classes"):
        RemoteCommandBus(InMemoryTransport(), "shop", errors=errors)


@pytest.mark.parametrize(
    ("given", "text"), [("billing", "Give a Router"), (re, "Give the Router that is defined in it")]
)
def test_what_is_included(app: Application, given: Any, text: str) -> None:
    """A module of handlers is included, not its name nor the Python module around it."""
    with pytest.raises(ConfigurationError, match=rf"cannot include .*{text}"):
        app.include(given)


async def test_a_module_that_is_included_twice(app: Application) -> None:
    """It adds nothing the second time but what is new in it."""
    calls: list[str] = []
    router = Router("twice")

    async def noting(message: Any, call_next: CallNext) -> Any:
        calls.append(type(message).__name__)
        return await call_next(message)

    router.use(noting)
    router.command_handler(Place)(lambda command: "placed")
    app.include(router)
    router.query_handler(Ask)(lambda query: "asked")
    app.include(router)
    async with app:
        assert [await app.dispatch(Place()), await app.execute(Ask())] == ["placed", "asked"]
    assert calls == ["Place", "Ask"]


async def test_times_and_keys_of_other_types(app: Application) -> None:
    """A command is scheduled for a time with a zone; a key is a text."""

    class Remind(Command[None], name="mistakes.remind"):
        pass

    app.command_handler(Remind)(lambda command: None)
    async with app:
        with pytest.raises(NotSchedulable, match=r"that is no time\. .*add a timedelta to Clock.now"):
            await app.session().schedule(Remind(), at=timedelta(1))  # type: ignore[arg-type]
        with pytest.raises(NotSchedulable, match="the time has no time zone"):
            await app.session().schedule(Remind(), at=app.clock.now().replace(tzinfo=None))
        with pytest.raises(InvalidKey, match=r"cannot use 7 as an idempotency key: it is no text. Use a str"):
            await app.dispatch(Remind(), idempotency_key=7)  # type: ignore[arg-type]


def plain(message: Any, call_next: Any) -> Any:
    """Call on without being async."""
    return call_next(message)


class Object:
    """A middleware that is an object."""

    async def __call__(self, message: Any, call_next: CallNext) -> Any:
        return await call_next(message)


WRONG = [
    (
        retry_conflicts,
        "retry_conflicts cannot be called with a message and call_next, .*call it first: retry_conflicts",
    ),
    (logging, "logging cannot be called with"),
    (authorise, "authorise cannot be called with"),
    (plain, "plain is no middleware, as it is not async"),
    ("audit", "'audit' is no middleware"),
]


@pytest.mark.parametrize(("given", "text"), WRONG)
def test_middleware_that_is_none(given: Any, text: str) -> None:
    """A factory that was not called, and what is not async, are faults where they are put around messages."""
    app = Application("mistakes", write=InMemory(), middleware=[given])
    app.use(given, on=Command)
    assert len(re.findall(text, found(app))) == 2
    for bus in (CommandBus, QueryBus, EventBus):
        with pytest.raises(ConfigurationError, match=text):
            bus(middleware=[given])


def test_middleware_on_what_is_no_class(app: Application) -> None:
    """A middleware applies to messages of a class."""
    app.use(Object(), on=Place())  # type: ignore[arg-type]
    assert re.search("on=Place.*is no class", found(app))


def test_middleware_that_is_one(app: Application) -> None:
    """An object that is called, and what a factory made, are middleware."""
    app.use(Object())
    app.use(retry_conflicts(), on=Command)
    app.check()


@pytest.mark.parametrize("given", [[lambda event: None], [Placed], []])
def test_an_event_handler_without_a_name(app: Application, given: Any) -> None:
    """An event handler without its brackets, or without a name for its checkpoint, says how it is written."""
    with pytest.raises(
        InvalidDefinition, match=r"cannot use @event_handler so: .*no name=\. Write @event_handler\(SomeEvent, name="
    ):
        app.event_handler(*given)  # type: ignore[call-arg]
    with pytest.raises(InvalidDefinition, match="was given the name 7"):
        app.event_handler(*given, name=7)  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "options"), [("relay", {}), ("consume", {"source": "depot"}), ("serve", {})])
def test_what_is_no_decorator(app: Application, name: str, options: dict[str, str]) -> None:
    """What is called in the composition root is not proposed as a decorator."""
    with pytest.raises(InvalidDefinition, match=rf"cannot use {name} so: .*Write app\.{name}\(Some.*\)\.$"):
        getattr(app, name)("Placed", **options)


def test_types_are_printed_as_they_are_written(app: Application) -> None:
    """A parameter that nothing provides is named with its type, without the modules that this comes from."""

    @app.command_handler(Place)
    async def place(
        command: Place,
        things: list[Repository[Thing] | None],
        call: Callable[[Row], None],
        which: Literal["a"],
        other: dict[str, Row],
    ) -> str:
        return ""

    text = found(app)
    for written in (
        "'things: list[Repository[Thing] | None]'",
        "'call: Callable[[Row], None]'",
        "'which: Literal['a']'",
        "'other: dict[str, Row]'",
    ):
        assert written in text
