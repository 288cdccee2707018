"""Faults of handlers: missing, doubled, or with a signature that cannot work. Two mistakes of each kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twofold import Application, Command, Event, Router, on

if TYPE_CHECKING:
    from decimal import Decimal

from tests.domains.orders import Ask, Cancel, Look, Place, Placed
from tests.wiring.applications import app, assert_reported, both, mistakes, with_command, with_projection, with_query


class Second(Event, name="check.second", version=2):
    number: int


class Mailer:
    pass


async def place(command: Place) -> str:
    return "placed"


async def place_again(command: Place) -> str:
    return "placed"


async def ask(query: Ask) -> str:
    return "answer"


async def ask_again(query: Ask) -> str:
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


async def cancel_like_query(query: Ask) -> None:
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


class NeedsMailer:
    def __init__(self, mailer: Mailer) -> None:
        self.mailer = mailer

    async def __call__(self, command: Place) -> str:
        return "placed"


class TakesWrongEvent:
    @on(Placed)  # type: ignore[arg-type]
    async def placed(self, event: Second) -> None:
        return None


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


def keyed(handler: Any, key: str) -> Application:
    """Return an application with a keyed handler."""
    made = app()
    made.command_handler(Place, key=key)(handler)
    return made


@mistakes(
    [
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
        ("wrong parameter", lambda: with_command(takes_another), takes_another, "wrong signature"),
        ("wrong parameter", lambda: with_projection(TakesWrongEvent), TakesWrongEvent, "wrong signature"),
        ("wrong result", lambda: with_command(gives_another), gives_another, "returns int"),
        ("wrong result", lambda: with_query(cancel_like_query), cancel_like_query, "returns None"),
        ("no parameter", lambda: with_command(takes_nothing), takes_nothing, "its first parameter must be the Place"),
        ("no parameter", lambda: with_query(takes_by_name), takes_by_name, "its first parameter must be the Ask"),
        ("unresolvable", lambda: with_command(unresolvable), unresolvable, "'Decimal' is not defined"),
        ("unresolvable", lambda: with_query(unresolvable_result), unresolvable_result, "'Decimal' is not defined"),
        ("class that cannot be created", lambda: with_command(Abstract), Abstract, "is abstract and cannot be created"),
        ("class that cannot be created", lambda: with_command(NeedsMailer), NeedsMailer, "nothing provides"),
        ("class that cannot be created", lambda: with_command(AlsoAbstract), AlsoAbstract, "Implement __call__, more"),
        (
            "class that cannot be called",
            lambda: with_command(CalledOnlyByName),
            CalledOnlyByName,
            "CalledOnlyByName has no __call__",
        ),
        ("class that cannot be called", lambda: with_command(NotCallable), NotCallable, "no __call__"),
        ("unknown key field", lambda: keyed(place, "order"), place, "key='order' is not a field of Place"),
        (
            "unknown key field",
            lambda: keyed(place_again, "Number"),
            place_again,
            "key='Number' is not a field of Place",
        ),
    ]
)
def test_a_faulty_handler_is_reported_with_its_place(make: Callable[[], Application], culprit: Any, text: str) -> None:
    """`check()` reports the mistake, with the file and line of its cause."""
    assert_reported(make(), culprit, text)
