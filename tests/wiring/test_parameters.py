"""Every parameter of a handler gets the value that its place, its default and its annotation ask for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from inspect import Parameter, iscoroutinefunction, signature
from typing import Annotated, Any, Generic, Protocol, TypeVar

import pytest
from dependency_injector import containers, providers
from dependency_injector.wiring import Provide

from tests.wiring.faults import faults_of
from twofold import Aggregate, Application, Clock, Command, Event, Repository, on
from twofold_memory import InMemory

A = TypeVar("A", bound=Aggregate)
C = TypeVar("C")


class Prices: ...


class Sender(Protocol):
    limit: int

    def send(self) -> None: ...


class Mail:
    limit = 1

    def send(self) -> None: ...


class Services(containers.DeclarativeContainer):
    prices = providers.Factory(Prices)
    shop_name = providers.Object("The Lantern")
    tax = providers.Object(19)
    mail = providers.Singleton(Mail)


class Ask(Command[Any]): ...


class Made(Event, name="parameters.made"):
    id: str


class Basket(Aggregate, name="parameters_basket"):
    id: str

    @on(Made)
    def made(self, event: Made) -> None:
        self.id = event.id


async def answer(handler: Any, container: Any = None) -> Any:
    """Return the answer of a handler in an application."""
    app = Application("parameters", write=InMemory(), container=container)
    app.command_handler(Ask)(handler)
    app.explain(Ask)
    async with app:
        return await app.dispatch(Ask())


def kinds(*values: object) -> list[object]:
    """Return the values, with the class of each object of a user's or Twofold's class in its place."""
    return [each if isinstance(each, int | str | None) else type(each).__name__ for each in values]


async def default_before(command: Ask, attempts: int = 3, prices: Prices = Provide["prices"]) -> Any:
    return kinds(attempts, prices)


async def default_before_plain(command: Ask, attempts: int = 3, clock: Clock = None) -> Any:  # type: ignore[assignment]
    return kinds(attempts, clock)


async def defaults_between(
    command: Ask,
    clock: Clock,
    name: str = "x",
    prices: Prices | None = None,
    limit: int = 5,
    *,
    clock2: Clock | None = None,
) -> Any:
    return kinds(clock, name, prices, limit, clock2)


async def positional_only(command: Ask, clock: Clock, limit: int = 5, prices: Prices = Provide["prices"], /) -> Any:
    return kinds(clock, limit, prices)


async def positional_only_mixed(
    command: Ask, limit: int = 5, /, clock: Clock | None = None, *, prices: Prices | None = None
) -> Any:
    return kinds(limit, clock, prices)


async def rest(command: Ask, *more: object, clock: Clock, **options: object) -> Any:
    return kinds(len(more), clock, len(options))


async def all_of_them(*given: object, prices: Prices, limit: int = 3) -> Any:
    return kinds(len(given), prices, limit)


async def in_annotated(
    command: Ask, prices: Annotated[Prices | None, "those of today"], name: Annotated[str, Provide["shop_name"]]
) -> Any:
    return kinds(prices, name)


async def in_optional(command: Ask, name: Annotated[str, Provide["shop_name"]] | None = None) -> Any:
    return kinds(name)


async def plain_defaults(command: Ask, currency: str = "EUR", tax: int = 7, *, word: str | None = None) -> Any:
    return kinds(currency, tax, word)


async def protocol(command: Ask, sender: Sender | None = None) -> Any:
    return kinds(sender)


def sync(command: Ask, limit: int = 5, prices: Prices | None = None) -> Any:
    return kinds(limit, prices)


FUNCTIONS = [
    (default_before, [3, "Prices"]),
    (default_before_plain, [3, "SystemClock"]),
    (defaults_between, ["SystemClock", "x", "Prices", 5, "SystemClock"]),
    (positional_only, ["SystemClock", 5, "Prices"]),
    (positional_only_mixed, [5, "SystemClock", "Prices"]),
    (rest, [0, "SystemClock", 0]),
    (all_of_them, [1, "Prices", 3]),
    (in_annotated, ["Prices", "The Lantern"]),
    (in_optional, ["The Lantern"]),
    (plain_defaults, ["EUR", 7, None]),
    (sync, [5, "Prices"]),
]


@pytest.mark.parametrize(("function", "expected"), FUNCTIONS)
async def test_parameters_of_functions(function: Any, expected: list[object]) -> None:
    """An injected value never takes the place of a parameter with a default, however the parameters are passed."""
    assert await answer(function, Services()) == expected


@pytest.mark.parametrize(("function", "expected"), FUNCTIONS)
async def test_parameters_of_classes(function: Any, expected: list[object]) -> None:
    """The same parameters of a `__call__` get the same values, for a class, a bound method and an object."""
    called: Any = type("Called", (), {"__call__": _with_self(function)})
    assert await answer(called, Services()) == expected
    assert await answer(called().__call__, Services()) == expected
    assert await answer(called(), Services()) == expected


def _with_self(function: Any) -> Any:
    """Return a method with the parameters of a function."""

    async def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        found = function(*args, **kwargs)
        return await found if iscoroutinefunction(function) else found

    read = signature(function, eval_str=True)
    kind = Parameter.POSITIONAL_ONLY
    method.__signature__ = read.replace(parameters=[Parameter("self", kind), *read.parameters.values()])  # type: ignore[attr-defined]
    method.__annotations__ = {}
    return method


@pytest.mark.parametrize(("function", "expected"), [each for each in FUNCTIONS if each[0] not in (sync, all_of_them)])
async def test_parameters_of_constructors(function: Any, expected: list[object]) -> None:
    """The parameters of a constructor, without the message, get the same values."""

    class Constructed:
        __init__: Any
        found: Any

        async def __call__(self, command: Ask) -> Any:
            return await self.found

    read = signature(_with_self(function))
    own, *rest = read.parameters.values()

    def construct(self: Any, *args: Any, **kwargs: Any) -> None:
        self.found = function(Ask(), *args, **kwargs)

    construct.__signature__ = read.replace(parameters=[own, *(each for each in rest if each.name != "command")])  # type: ignore[attr-defined]
    construct.__annotations__ = {}
    Constructed.__init__ = construct
    assert await answer(Constructed, Services()) == expected


async def test_an_optional_without_a_provider() -> None:
    """A parameter that nothing provides keeps its default."""

    async def handler(command: Ask, prices: Prices | None = None, clock: Clock | None = None) -> Any:
        return kinds(prices, clock)

    assert await answer(handler) == [None, "SystemClock"]


async def test_a_protocol_that_a_provider_fits_without_deriving_from_it() -> None:
    """A Protocol with attributes cannot be compared with a class at run time: the default applies, and nothing fails."""
    assert await answer(protocol, Services()) == [None]


async def test_partials() -> None:
    """A partial is a handler. Its arguments stay, though Twofold could provide them."""

    async def handler(command: Ask, limit: int, prices: Prices, clock: Any = None, word: str = "a") -> Any:
        return kinds(limit, prices, clock, word)

    assert await answer(partial(handler, limit=4), Services()) == [4, "Prices", None, "a"]
    assert await answer(partial(partial(handler, limit=4), word="b"), Services()) == [4, "Prices", None, "b"]
    assert await answer(partial(default_before, attempts=7), Services()) == [7, "Prices"]


class Handlers:
    async def method(self, command: Ask, clock: Clock) -> Any:
        return kinds(clock)

    @staticmethod
    async def static(command: Ask, clock: Clock) -> Any:
        return kinds(clock)

    @classmethod
    async def of_class(cls, command: Ask, clock: Clock) -> Any:
        return kinds(cls.__name__, clock)


async def test_methods() -> None:
    """Bound methods, static methods and class methods are handlers."""
    assert await answer(Handlers().method) == ["SystemClock"]
    assert await answer(Handlers.static) == ["SystemClock"]
    assert await answer(vars(Handlers)["static"]) == ["SystemClock"]
    assert await answer(Handlers.of_class) == ["Handlers", "SystemClock"]


def test_a_class_method_without_its_class() -> None:
    """Inside the class body, a class method has no class yet. The fault says how to register it."""
    app = Application("parameters", write=InMemory())
    app.command_handler(Ask)(vars(Handlers)["of_class"])
    assert "cannot be called. Register it as an attribute of its class" in faults_of(app)


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a handler."""

    @wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        return ["logged", *await function(*args, **kwargs)]

    return call


async def test_decorated_handlers() -> None:
    """A decorated function gets the parameters of the function that it wraps."""
    assert await answer(logged(default_before), Services()) == ["logged", 3, "Prices"]
    assert await answer(logged(logged(positional_only)), Services()) == ["logged", "logged", "SystemClock", 5, "Prices"]


class Keeping(Generic[A]):
    def __init__(self, repository: Repository[A], limit: int = 3) -> None:
        self.repository, self.limit = repository, limit


class Answering(Keeping[A], Generic[A, C]):
    async def __call__(self, command: C, others: Repository[A]) -> Any:
        assert self.repository._type is others._type
        return kinds(others._type.__name__, self.limit)


class AnswerBaskets(Answering[Basket, Ask]): ...


async def test_generic_handler_classes() -> None:
    """The type parameters of a generic handler class are replaced, in its base classes too."""
    assert await answer(AnswerBaskets) == ["Basket", 3]
    assert await answer(Answering[Basket, Ask]) == ["Basket", 3]


async def test_names_of_functions_around_a_handler() -> None:
    """An annotation may name a class of any function around the handler."""

    class Local(Aggregate, name="parameters_local"):
        id: str

    def inner() -> Any:
        def innermost() -> Any:
            async def handler(command: Ask, things: Repository[Local]) -> Any:
                return kinds(things._type.__name__)

            return answer(handler)

        return innermost()

    assert await inner() == ["Local"]
