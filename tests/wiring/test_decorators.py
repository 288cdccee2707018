"""Decorators with wrong arguments are refused immediately, with the correct line in the error."""

from __future__ import annotations

from typing import Any

import pytest

from tests.domains.orders import Ask, Place, Placed
from twofold import Application, on
from twofold.errors import InvalidDefinition


@pytest.mark.parametrize("decorator", ["command_handler", "query_handler", "event_handler", "projection"])
def test_a_decorator_without_parentheses(app: Application, decorator: str) -> None:
    """A decorator whose argument is the handler itself registers nothing. The error says how to write it."""

    async def place(command: Place) -> str:
        return ""

    options = {"name": "event_handler"} if decorator == "event_handler" else {}
    with pytest.raises(InvalidDefinition, match=rf"cannot use @{decorator} with .*place.*Write @{decorator}\("):
        getattr(app, decorator)(place, **options)


@pytest.mark.parametrize(
    ("decorator", "given"), [("command_handler", Ask), ("query_handler", Place), ("command_handler", Placed)]
)
def test_a_decorator_of_another_kind(app: Application, decorator: str, given: Any) -> None:
    """The decorator of a command handler takes a command class, and so on."""
    with pytest.raises(InvalidDefinition, match=given.__name__):
        getattr(app, decorator)(given)


def test_an_event_handler_to_a_command(app: Application) -> None:
    """An event handler takes event classes."""
    with pytest.raises(InvalidDefinition, match="pass the class of an event"):
        app.event_handler(Place, name="r")  # type: ignore[type-var]


@pytest.mark.parametrize("given", [[lambda event: None], [Placed], []])
def test_an_event_handler_without_a_name(app: Application, given: Any) -> None:
    """Without parentheses or without a name for the checkpoint, the error says how to write the decorator."""
    with pytest.raises(
        InvalidDefinition,
        match=r"cannot use @event_handler with .*name= is missing.*Write @event_handler\(SomeEvent, name=",
    ):
        app.event_handler(*given)  # type: ignore[call-overload]
    with pytest.raises(InvalidDefinition, match="the name 7 is not valid"):
        app.event_handler(*given, name=7)  # type: ignore[call-overload]


@pytest.mark.parametrize(("name", "options"), [("relay", {}), ("consume", {"source": "depot"}), ("serve", {})])
def test_a_method_that_is_not_a_decorator(app: Application, name: str, options: dict[str, str]) -> None:
    """Methods for the composition root are not proposed as decorators."""
    with pytest.raises(InvalidDefinition, match=rf"cannot use {name} with .*Write app\.{name}\(Some.*\)\.$"):
        getattr(app, name)("Placed", **options)


@pytest.mark.parametrize("given", [(Place,), (lambda self, event: None,), ("Placed",), (Placed, Place), ()])
def test_on_without_an_event_class(given: Any) -> None:
    """`on` refuses anything but event classes, and says how to write it."""
    with pytest.raises(InvalidDefinition, match=r"cannot use @on with .*Write @on\(SomeEvent\)"):
        on(*given)


def test_a_cache_that_is_a_flag(app: Application) -> None:
    """`cache=` takes a `Cache`."""
    with pytest.raises(InvalidDefinition, match=r"cannot cache Ask by cache=True: .*Cache\(ttl="):
        app.query_handler(Ask, cache=True)  # type: ignore[call-overload]
