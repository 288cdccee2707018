"""Every fault in the wiring is found when the application starts, with file and line: two mistakes of each kind."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from dependency_injector import containers, providers
from dependency_injector.wiring import Provide

from twofold import (
    Aggregate,
    Application,
    Command,
    CommandBus,
    Event,
    EventBus,
    Query,
    QueryBus,
    ReadModel,
    Repository,
    Router,
    Session,
    View,
    on,
)
from twofold.errors import WiringError
from twofold_memory import InMemory

if TYPE_CHECKING:
    from decimal import Decimal


class Place(Command[str]):
    number: int


class Cancel(Command[None]):
    number: int


class Ask(Query[str]):
    number: int


class Look(Query[int]):
    number: int


class Placed(Event, name="check.placed"):
    number: int


class Nameless(Event):
    number: int


class AlsoNameless(Event):
    number: int


class Twin(Event, name="check.placed"):
    number: int


class Second(Event, name="check.second", version=2):
    number: int


class Third(Event, name="check.third", version=3):
    number: int


class Row(View, name="check_row", key="number"):
    number: int


class RowTwin(View, name="check_row", key="number"):
    number: int


class NoRow(View):
    number: int


class Thing(Aggregate, name="thing"):
    id: str
    size: int


class NamelessThing(Aggregate):
    id: str
    size: int


class Stateless(Aggregate, name="stateless"):
    def __init__(self) -> None:
        self.id = "1"


class Unwritable(Aggregate, name="unwritable"):
    id: str
    what: Callable[[object], object]
    socket: inspect.Signature


class Mailer:
    pass


class FastMailer(Mailer):
    pass


class Container(containers.DeclarativeContainer):
    mailer = providers.Factory(Mailer)
    fast = providers.Factory(FastMailer)


async def place(command: Place) -> str:
    return "placed"


async def place_again(command: Place) -> str:
    return "placed"


async def cancel(command: Cancel) -> None:
    return None


async def ask(query: Ask) -> str:
    return "answer"


async def ask_again(query: Ask) -> str:
    return "answer"


async def react(event: Placed) -> None:
    return None


async def react_again(event: Placed) -> None:
    return None


async def unprovided(command: Place, mailer: Mailer) -> str:
    return "placed"


async def unannotated(query: Ask, something) -> str:  # type: ignore[no-untyped-def]
    return "answer"


async def takes_another(command: Cancel) -> str:
    return "placed"


async def gives_another(command: Place) -> int:
    return 1


async def takes_nothing() -> str:
    return "placed"


async def takes_by_name(*, query: Ask) -> str:
    return "answer"


async def unresolvable(command: Place, amount: Decimal) -> str:
    return "placed"


async def unresolvable_result(query: Ask) -> Decimal:
    raise NotImplementedError


async def of_nothing(command: Place, things: Repository) -> str:  # type: ignore[type-arg]
    return "placed"


async def rows_of_nothing(query: Ask, rows: ReadModel) -> str:  # type: ignore[type-arg]
    return "answer"


async def of_no_view(query: Ask, rows: ReadModel[NoRow]) -> str:
    return "answer"


async def of_nameless(command: Place, things: Repository[NamelessThing]) -> str:
    return "placed"


async def of_nameless_too(query: Ask, things: Repository[NamelessThing]) -> str:
    return "answer"


async def of_stateless(command: Place, things: Repository[Stateless]) -> str:
    return "placed"


async def of_unwritable(command: Place, things: Repository[Unwritable]) -> str:
    return "placed"


async def marked(command: Place, mailer: Annotated[Mailer, Provide["mailer"]]) -> str:
    return "placed"


async def marked_wrongly(query: Ask, mailer: Annotated[Mailer, Provide["postman"]]) -> str:
    return "answer"


async def ambiguous(query: Ask, mailer: Mailer) -> str:
    return "answer"


async def query_that_commands(query: Ask, commands: CommandBus) -> str:
    return "answer"


async def both_rows(query: Ask, rows: ReadModel[Row], twins: ReadModel[RowTwin]) -> str:
    return "answer"


async def cancel_like_query(query: Ask) -> None:
    return None


async def react_to_nameless(event: Nameless) -> None:
    return None


async def react_to_twin(event: Twin) -> None:
    return None


async def react_to_second(event: Second) -> None:
    return None


class Abstract(ABC):
    @abstractmethod
    async def __call__(self, command: Place) -> str: ...


class NotCallable:
    pass


class AlsoAbstract(Abstract):
    @abstractmethod
    def more(self) -> None: ...


class CalledOnlyByName:
    async def handle(self, command: Place) -> str:
        return "placed"


async def marked_query(query: Ask, mailer: Annotated[Mailer, Provide["mailer"]]) -> str:
    return "answer"


async def marked_wrongly_too(command: Place, mailer: Annotated[Mailer, Provide["mailers"]]) -> str:
    return "placed"


async def query_that_publishes(query: Ask, events: EventBus) -> str:
    return "answer"


class NeedsMailer:
    def __init__(self, mailer: Mailer) -> None:
        self.mailer = mailer

    async def __call__(self, command: Place) -> str:
        return "placed"


class Rows:
    def __init__(self, rows: ReadModel[Row]) -> None:
        self.rows = rows

    @on(Placed)
    async def placed(self, event: Placed) -> None:
        return None


class RowsAgain(Rows):
    pass


class TakesBus:
    def __init__(self, commands: CommandBus) -> None:
        self.commands = commands

    @on(Placed)
    async def placed(self, event: Placed) -> None:
        return None


class TakesSession:
    @on(Placed)
    async def placed(self, event: Placed, session: Session, queries: QueryBus) -> None:
        return None


class TakesWrongEvent:
    @on(Placed)  # type: ignore[arg-type]
    async def placed(self, event: Second) -> None:
        return None


class TakesNoRow:
    def __init__(self, rows: ReadModel[NoRow]) -> None:
        self.rows = rows

    @on(Placed)
    async def placed(self, event: Placed) -> None:
        return None


class TakesNothing:
    pass


class TakesNameless:
    @on(AlsoNameless)
    async def happened(self, event: AlsoNameless) -> None:
        return None


class TakesThird:
    @on(Third)
    async def happened(self, event: Third) -> None:
        return None


def app(container: Any = None, **options: Any) -> Application:
    """Return an empty application."""
    return Application("check", write=InMemory(), container=container, **options)


def with_command(handler: Any, **options: Any) -> Application:
    """Return an application with a handler of `Place`."""
    made = app(**options)
    made.command_handler(Place)(handler)
    return made


def with_query(handler: Any, *, reads: str = "", **options: Any) -> Application:
    """Return an application with a handler of `Ask`."""
    made = app(**options)
    made.query_handler(Ask, reads=reads or ())(handler)
    return made


def with_projection(cls: Any, name: str = "rows", **options: Any) -> Application:
    """Return an application with a projection."""
    made = app()
    made.projection(name, **options)(cls)
    return made


def with_event_handler(event: Any, handler: Any = react, **options: Any) -> Application:
    """Return an application with an event handler."""
    made = app()
    made.event_handler(event, name="event_handler", **options)(handler)
    return made


def both(first: Application, second: Application) -> Application:
    """Return the first application with everything of the second."""
    first.include(second)
    return first


def across(name: str) -> Application:
    """Return an application with an inline projection over two stores."""
    made = app(read=InMemory())
    made.projection(name, mode="inline")(Rows if name == "rows" else RowsAgain)
    return made


def expecting(message: Any) -> Application:
    """Return an application that expects a message to be handled."""
    made = app()
    made.expects(message)
    return made


def from_two_modules(handler: Any, message: Any) -> Application:
    """Return an application that includes two modules with the same handler."""
    made = app()
    for name in ("first", "second"):
        router = Router(name)
        (router.command_handler if issubclass(message, Command) else router.query_handler)(message)(handler)
        made.include(router)
    return made


def line_of(thing: Any) -> int:
    """Return where something is defined."""
    code = getattr(thing, "__code__", None)
    return int(code.co_firstlineno) if code else inspect.getsourcelines(thing)[1]


MISTAKES: list[tuple[str, Callable[[], Application], Any, str]] = [
    ("no handler", lambda: expecting(Cancel), Cancel, "no handler for command Cancel"),
    ("no handler", lambda: expecting(Look), Look, "no handler for query Look"),
    (
        "two handlers",
        lambda: both(with_command(place), with_command(place_again)),
        place_again,
        "two handlers of command",
    ),
    ("two handlers", lambda: both(with_query(ask), with_query(ask_again)), ask_again, "two handlers of query Ask"),
    ("same handler twice", lambda: from_two_modules(place, Place), place, "two handlers of command Place"),
    ("same handler twice", lambda: from_two_modules(ask, Ask), ask, "two handlers of query Ask"),
    (
        "nothing provides",
        lambda: with_command(unprovided),
        unprovided,
        "nothing provides the parameter 'mailer: Mailer'",
    ),
    ("nothing provides", lambda: with_query(unannotated), unannotated, "'something' (not annotated)"),
    ("wrong parameter", lambda: with_command(takes_another), takes_another, "wrong signature"),
    ("wrong parameter", lambda: with_projection(TakesWrongEvent), TakesWrongEvent, "wrong signature"),
    ("wrong result", lambda: with_command(gives_another), gives_another, "returns int"),
    ("wrong result", lambda: with_query(cancel_like_query), cancel_like_query, "returns None"),
    ("no parameter", lambda: with_command(takes_nothing), takes_nothing, "its first parameter must be the Place"),
    ("no parameter", lambda: with_query(takes_by_name), takes_by_name, "its first parameter must be the Ask"),
    ("unresolvable", lambda: with_command(unresolvable), unresolvable, "'Decimal' is not defined"),
    ("unresolvable", lambda: with_query(unresolvable_result), unresolvable_result, "'Decimal' is not defined"),
    ("unknown projection", lambda: with_query(ask, reads="nowhere"), ask, "unknown projection 'nowhere'"),
    ("unknown projection", lambda: with_query(ask_again, reads="rows"), ask_again, "Known projections: none"),
    ("event without a name", lambda: with_event_handler(Nameless, react_to_nameless), Nameless, "no stable name"),
    ("event without a name", lambda: with_projection(TakesNameless), AlsoNameless, "no stable name"),
    (
        "one name for two",
        lambda: both(with_event_handler(Placed), with_event_handler(Twin, react_to_twin)),
        Twin,
        "check.placed",
    ),
    ("one name for two", lambda: with_query(both_rows), RowTwin, "two views are named 'check_row'"),
    ("missing upcaster", lambda: with_event_handler(Second, react_to_second), Second, "version 1 to 2"),
    ("missing upcaster", lambda: with_projection(TakesThird), Third, "version 2 to 3"),
    ("projection with a bus", lambda: with_projection(TakesBus), TakesBus, "cannot take a bus"),
    ("projection with a bus", lambda: with_projection(TakesSession), TakesSession, "cannot take a bus"),
    ("query with a bus", lambda: with_query(query_that_commands), query_that_commands, "cannot take a bus that writes"),
    ("projection of nothing", lambda: with_projection(TakesNothing), TakesNothing, "takes no event"),
    ("projection of nothing", lambda: with_projection(place), place, "is not a class"),
    ("class that cannot be made", lambda: with_command(Abstract), Abstract, "it is abstract"),
    ("class that cannot be made", lambda: with_command(NeedsMailer), NeedsMailer, "nothing provides"),
    ("class that cannot be made", lambda: with_command(AlsoAbstract), AlsoAbstract, "Implement __call__, more"),
    (
        "class that cannot be called",
        lambda: with_command(CalledOnlyByName),
        CalledOnlyByName,
        "CalledOnlyByName has no __call__",
    ),
    (
        "query with a bus",
        lambda: with_query(query_that_publishes),
        query_that_publishes,
        "cannot take a bus that writes",
    ),
    ("marker", lambda: with_query(marked_query), marked_query, "the application has no container"),
    (
        "marker",
        lambda: with_command(marked_wrongly_too, container=Container()),
        marked_wrongly_too,
        "has no provider 'mailers'",
    ),
    ("class that cannot be called", lambda: with_command(NotCallable), NotCallable, "no __call__"),
    ("key is no field", lambda: keyed(place, "order"), place, "key='order' is not a field of Place"),
    ("key is no field", lambda: keyed(place_again, "Number"), place_again, "key='Number' is not a field of Place"),
    ("one name, two subscriptions", lambda: named_twice(RowsAgain), RowsAgain, "two subscriptions are named 'rows'"),
    ("one name, two subscriptions", lambda: named_twice(react), react, "two subscriptions are named 'rows'"),
    ("partition by no field", lambda: with_projection(Rows, partition_by="user"), Rows, "'user' is not a field"),
    ("partition by no field", lambda: with_event_handler(Placed, partition_by="user"), react, "'user' is not a field"),
    ("inline across stores", lambda: across("rows"), Rows, "one transaction cannot span both"),
    ("inline across stores", lambda: across("again"), RowsAgain, "one transaction cannot span both"),
    ("view without rows", lambda: with_query(of_no_view), of_no_view, "has no name and key"),
    ("repository of nothing", lambda: with_command(of_nothing), of_nothing, "does not say of what"),
    ("read model of nothing", lambda: with_query(rows_of_nothing), rows_of_nothing, "does not say of what"),
    ("view without rows", lambda: with_projection(TakesNoRow), TakesNoRow, "has no name and key"),
    ("aggregate without a name", lambda: with_command(of_nameless), of_nameless, "has no stable name"),
    ("aggregate without a name", lambda: with_query(of_nameless_too), of_nameless_too, "has no stable name"),
    (
        "state that cannot be kept",
        lambda: with_command(of_stateless),
        Stateless,
        "cannot keep Stateless: it annotates no attribute",
    ),
    (
        "state that cannot be kept",
        lambda: with_command(of_unwritable),
        Unwritable,
        "the write store cannot keep Unwritable: it has no JSON",
    ),
    ("marker", lambda: with_command(marked), marked, "the application has no container"),
    ("marker", lambda: with_query(marked_wrongly, container=Container()), marked_wrongly, "has no provider 'postman'"),
    (
        "several providers",
        lambda: with_query(ambiguous, container=Container()),
        ambiguous,
        "2 providers of the container",
    ),
    ("several providers", lambda: with_command(unprovided, container=Container()), unprovided, "2 providers"),
]


def keyed(handler: Any, key: str) -> Application:
    """Return an application with a keyed handler."""
    made = app()
    made.command_handler(Place, key=key)(handler)
    return made


def named_twice(second: Any) -> Application:
    """Return an application with a projection and another subscription of its name."""
    made = with_projection(Rows)
    if inspect.isclass(second):
        made.projection("rows")(second)
    else:
        made.event_handler(Placed, name="rows")(second)
    return made


@pytest.mark.parametrize(
    ("make", "culprit", "text"), [pytest.param(*rest, id=f"{kind}-{rest[1].__name__}") for kind, *rest in MISTAKES]
)
def test_a_mistake_is_reported_with_its_place(make: Callable[[], Application], culprit: Any, text: str) -> None:
    """`check()` reports the mistake with what was found, and with the file and line of what is wrong."""
    with pytest.raises(WiringError) as caught:
        make().check()
    places = [(fault.file, fault.line) for fault in caught.value.faults if text.lower() in fault.message.lower()]
    assert (__file__, line_of(culprit)) in places
    assert f"{__file__}:{line_of(culprit)}: " in str(caught.value)


def test_all_faults_are_reported_at_once() -> None:
    """One check reports every fault there is."""
    made = both(both(with_command(unprovided), with_query(gives_another)), with_projection(TakesBus))
    made.expects(Cancel, Look)
    with pytest.raises(WiringError) as caught:
        made.check()
    lines = {fault.line for fault in caught.value.faults}
    assert lines >= {line_of(each) for each in (unprovided, gives_another, TakesBus, Cancel, Look)}


def test_a_sound_application_passes() -> None:
    """An application without a fault passes its check."""
    made = both(both(with_command(place), with_query(ask, reads="rows")), with_projection(Rows))
    made.check()


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_a_faulty_application_does_not_start(anyio_backend: str) -> None:
    """Entering an application with a fault raises the same error."""
    with pytest.raises(WiringError):
        await with_command(unprovided).__aenter__()
