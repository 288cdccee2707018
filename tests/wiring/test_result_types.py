"""The result type of a message is found wherever it is declared, and handlers that type checkers accept are accepted."""

from __future__ import annotations

import sys
from asyncio import Future
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, Protocol, TypedDict, TypeVar

import pytest
from typing_extensions import TypeAliasType
from typing_extensions import TypeVar as TypeVarWithDefault

from tests.wiring.faults import faults_of
from twofold import Application, Cache, Command, Query, RemoteCommandBus
from twofold._encoding.result_types import result_type
from twofold.errors import InvalidDefinition
from twofold_memory import InMemory, InMemoryCache, InMemoryTransport

T = TypeVar("T")
U = TypeVar("U")
D = TypeVarWithDefault("D", default=str)


@dataclass(frozen=True)
class Receipt:
    number: int


class Totals(TypedDict):
    seats: int


class Place(NamedTuple):
    row: int


class Named(Protocol):
    @property
    def name(self) -> str: ...


class Seated(Protocol):
    @property
    def seat(self) -> int: ...


UserId = NewType("UserId", int)
Alias = TypeAliasType("Alias", "Receipt | None")
Rows = TypeAliasType("Rows", list[T], type_params=(T,))


class Audited(Command[T], Generic[T]):
    user: str = "ada"


class Listed(Audited[list[T]], Generic[T]): ...


class Swapped(Audited[dict[U, T]], Generic[T, U]): ...


class Quoted(Query["T | None"], Generic[T]): ...


class Defaulted(Command[D], Generic[D]): ...


class Pay(Audited[Receipt], name="types.pay"): ...


class PayAll(Listed[Receipt]): ...


class PaySome(Swapped[int, str]): ...


class GetLater(Quoted["Later"]): ...


class Unsaid(Defaulted): ...


class Bare(Command[Any]): ...


class Nothing(Command[None]): ...


class Later: ...


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (Pay, Receipt),
        (PayAll, list[Receipt]),
        (PaySome, dict[str, int]),
        (GetLater, Later | None),
        (Unsaid, str),
        (Bare, Any),
        (Nothing, type(None)),
        (Audited[int], int),
    ],
)
def test_generic_base_classes(message: type[Any], expected: Any) -> None:
    """The result type is found through generic base classes, in whatever order they have their type parameters."""
    assert result_type(message) == expected


def module(name: str, text: str) -> Any:
    """Create a module from its text."""
    made = sys.modules[name] = ModuleType(name)
    exec(text, vars(made))  # noqa: S102 -- a module with names of its own
    return made


def test_quoted_types_of_other_modules() -> None:
    """A quoted type is looked up in the module of the class that quotes it, not in the module of a derived class."""
    base = module("tests_types_base", "from twofold import Query\nclass Row: ...\nclass Find(Query['Row | None']): ...")
    other = module("tests_types_other", "from tests_types_base import Find\nclass Row: ...\nclass FindOne(Find): ...")
    twin = module("tests_types_twin", "from twofold import Query\nclass Row: ...\nclass Find(Query['Row | None']): ...")
    assert result_type(other.FindOne) == base.Row | None
    assert result_type(twin.Find) == twin.Row | None


def test_quoted_types_of_a_function() -> None:
    """A quoted type may be a class of the function around the message, also one that is defined after the message."""
    app = Application("types", write=InMemory(), cache=InMemoryCache())

    class Before: ...

    class Get(Query["Before | None"]): ...

    class GetAfter(Query["list[After]"]): ...

    class After(NamedTuple):
        number: int

    @app.query_handler(GetAfter, cache=Cache(ttl=1, key="a"))
    async def get(query: GetAfter) -> list[After]:
        return []

    app.check()
    assert result_type(Get) == Before | None
    assert result_type(GetAfter) == list[After]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python 3.12 has the syntax")
def test_classes_with_type_parameters() -> None:
    """The result type is found in classes and aliases that declare their type parameters in brackets."""
    made = module(
        "tests_types_brackets",
        "from twofold import Command, Query\n"
        "class Audited[T](Command[T]): ...\n"
        "class Listed[T](Audited['list[T]']): ...\n"
        "class Pay(Audited[int]): ...\n"
        "class PayAll(Listed[str]): ...\n"
        "type Answer[T] = T | None\n"
        "class Ask(Query[Answer[int]]): ...\n",
    )
    assert result_type(made.Pay) is int
    assert result_type(made.PayAll) == list[str]
    assert result_type(made.Ask) == made.Answer[int]


class Asked(Query["Elsewhere"], name="types.asked"): ...  # type: ignore[name-defined]


def test_result_types_that_cannot_be_resolved() -> None:
    """A result that is cached or sent needs its type at run time. The fault says what to import, and where."""
    app = Application("types", write=InMemory(), transport=InMemoryTransport(), cache=InMemoryCache())
    app.serve(Asked)

    @app.query_handler(Asked, cache=Cache(ttl=1, key="a"))
    async def handler(query: Asked) -> Any:
        return None

    said = "the result type of Asked cannot be resolved: name 'Elsewhere' is not defined. Import 'Elsewhere' at run time in"
    assert faults_of(app).count(said) == 2


async def test_a_generic_base_class_at_run_time() -> None:
    """Results of remote commands, recorded results and cached answers have the type that a generic base class declares."""
    broker = InMemoryTransport()
    app = Application("types", write=InMemory(), transport=broker)
    app.serve(Pay)

    @app.command_handler(Pay)
    async def pay(command: Pay) -> Receipt:
        return Receipt(1)

    async with app, app.session() as session:
        for _ in range(2):
            assert await session.dispatch(Pay(), idempotency_key="1") == Receipt(1)
        assert await RemoteCommandBus(broker, "types").dispatch(Pay()) == Receipt(1)


class Book(Command[None]):
    seat: int = 1


class Price(Command[float]): ...


class Total(Command[Totals]): ...


class Name(Command[Named]): ...


class Where(Command[Place]): ...


class Who(Command[UserId]): ...


class Aliased(Command[Alias]): ...


class AliasedRows(Command[Rows[int]]): ...


class Choice(Command[Literal["a", "b"]]): ...


class Checked(Command[Annotated[int, "positive"]]): ...


C = TypeVar("C", bound=Command[Any])


async def structural(command: Seated) -> None: ...
async def generic(command: C) -> None: ...
async def union(command: Book | Pay) -> None: ...
async def annotated(command: Annotated[Book, "a seat"]) -> None: ...
async def anything(command: object) -> None: ...
async def many(*commands: Book) -> None: ...
async def promoted(command: Price) -> int:
    return 1


async def typed_dict(command: Total) -> Totals:
    return {"seats": 1}


async def protocol(command: Name) -> Named:
    raise NotImplementedError


async def named_tuple(command: Where) -> Place:
    return Place(1)


async def new_type(command: Who) -> UserId:
    return UserId(1)


async def aliased(command: Aliased) -> Receipt:
    return Receipt(1)


async def aliased_rows(command: AliasedRows) -> list[int]:
    return []


async def literal(command: Choice) -> Literal["a"]:
    return "a"


async def checked(command: Checked) -> int:
    return 1


def future(command: Price) -> Future[float]:
    raise NotImplementedError


def coroutine(command: Price) -> Coroutine[Any, Any, float]:
    raise NotImplementedError


async def mapping(command: Total) -> Mapping[str, int] | Totals:
    return {"seats": 1}


ACCEPTED = [
    (Book, structural), (Book, generic), (Book, union), (Book, annotated), (Book, anything), (Book, many), (Price, promoted),
    (Total, typed_dict), (Name, protocol), (Where, named_tuple), (Who, new_type), (Aliased, aliased),
    (AliasedRows, aliased_rows), (Choice, literal), (Checked, checked), (Price, future), (Price, coroutine),
    (Total, mapping),
]  # fmt: skip


@pytest.mark.parametrize(("message", "handler"), ACCEPTED)
def test_handlers_that_type_checkers_accept(message: Any, handler: Any) -> None:
    """`check()` refuses no handler that type checkers accept, and never fails itself."""
    app = Application("types", write=InMemory())
    app.command_handler(message)(handler)
    app.check()


async def wrong_message(command: Pay) -> None: ...
async def wrong_result(command: Book) -> str:
    return ""


@pytest.mark.parametrize("handler", [wrong_message, wrong_result])
def test_handlers_that_type_checkers_refuse(handler: Any) -> None:
    """A first parameter of another class, and a result of another class, are faults."""
    app = Application("types", write=InMemory())
    app.command_handler(Book)(handler)
    assert "has a wrong signature" in faults_of(app)


@pytest.mark.parametrize("annotation", ["Missing", "sys.missing", "list[", "1 / 0", "None.x"])
def test_annotations_that_cannot_be_evaluated(annotation: str) -> None:
    """The fault names what cannot be resolved, and what to import."""

    async def handler(command: Book, other: Any) -> None: ...

    handler.__annotations__["other"] = annotation
    app = Application("types", write=InMemory())
    app.command_handler(Book)(handler)
    found = faults_of(app)
    assert "cannot be resolved" in found
    assert annotation != "Missing" or "Import 'Missing' at run time, not under TYPE_CHECKING" in found


@pytest.mark.parametrize("base", [Command, Query, Swapped, Quoted])
def test_a_result_type_is_not_left_out(base: Any) -> None:
    """A command or query whose base class has no type in brackets is refused, because its result would be anything."""
    with pytest.raises(
        InvalidDefinition, match=rf"its base class {base.__name__} has no result type in brackets"
    ) as caught:
        type("Forgotten", (base,), {"__module__": __name__})
    assert (f"Forgotten({base.__name__}[None]) without a result" in str(caught.value)) == (base is Command)
