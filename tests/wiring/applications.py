"""Applications with one handler, and the faults that `check()` reports of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from tests.domains.orders import Ask, Place
from twofold import Application
from twofold.errors import WiringError
from twofold_memory import InMemory

Mistake = tuple[str, Callable[[], Application], Any, str]
"""Its kind, the application that has it, the function or class that causes it, and a part of the message."""


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


def with_event_handler(event: Any, handler: Any, **options: Any) -> Application:
    """Return an application with an event handler."""
    made = app()
    made.event_handler(event, name="event_handler", **options)(handler)
    return made


def both(first: Application, second: Application) -> Application:
    """Return the first application with everything of the second."""
    first.include(second)
    return first


def place_of(thing: Any) -> tuple[str | None, int]:
    """Return the file and the line of a definition: its first decorator if it is a function, else the `class`."""
    lines, line = inspect.getsourcelines(thing)
    if inspect.isclass(thing):
        line += next(number for number, text in enumerate(lines) if text.lstrip().startswith("class "))
    return inspect.getsourcefile(thing), line


def mistakes(table: list[Mistake]) -> pytest.MarkDecorator:
    """Run a test with each mistake."""
    cases = [pytest.param(*rest, id=f"{kind}-{rest[1].__name__}") for kind, *rest in table]
    return pytest.mark.parametrize(("make", "culprit", "text"), cases)


def assert_reported(app: Application, culprit: Any, text: str) -> None:
    """Check that the faults include this text, at the file and line of the cause."""
    with pytest.raises(WiringError) as caught:
        app.check()
    places = [(fault.file, fault.line) for fault in caught.value.faults if text.lower() in fault.message.lower()]
    assert place_of(culprit) in places
    file, line = place_of(culprit)
    assert f"{file}:{line}: " in str(caught.value)
