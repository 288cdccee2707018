"""The decorators of handlers, for type checkers.

Each class is generic in the message and covariant. Its `__call__` takes the result type `R` from the message. A type
checker refuses a handler with a wrong parameter or a wrong result, whatever is injected into the handler. It gives an
accepted handler its exact type: a coroutine function, an async generator function, a class.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar, overload

from .._background.shown import shown_option
from .._definitions.message import Command, Event, Query
from .._definitions.names import wrong_label
from ..errors import InvalidDefinition
from .handler_types import ClassHandler, FunctionHandler, Handler

R = TypeVar("R")
P = ParamSpec("P")
T = TypeVar("T")
C_co = TypeVar("C_co", bound=Command[Any], covariant=True)
Q_co = TypeVar("Q_co", bound=Query[Any], covariant=True)
E_co = TypeVar("E_co", bound=Event, covariant=True)


def check_message(decorator: str, given: object, base: type[object], *, write: str = "") -> None:
    """Check the argument of a decorator. A decorator without parentheses gets the handler instead of a class.

    Args:
        decorator: the name of the decorator.
        given: its argument.
        base: the base class of the classes that it takes.
        write: the line that the error proposes; by default a decorator with one class.

    Raises:
        InvalidDefinition: the argument is not a class of this kind.
    """
    if inspect.isclass(given) and issubclass(given, base):
        return
    kind, article = base.__name__.lower(), "an" if base is Event else "a"
    called = decorator if write.startswith("app.") else f"@{decorator}"
    write = write or f"@{decorator}(Some{base.__name__})"
    raise InvalidDefinition(
        f"cannot use {called} with {shown_option(given)}: pass the class of {article} {kind}. "
        f"Write {write}{'' if write.startswith('app.') else ' above the handler'}."
    )


def check_events(decorator: str, events: tuple[object, ...], name: object) -> None:
    """Check the arguments of a decorator of event handlers.

    Args:
        decorator: the name of the decorator.
        events: its positional arguments.
        name: its argument `name`, empty if there was none.

    Raises:
        InvalidDefinition: an argument is not a class of events, or the name is missing or is not valid.
    """
    if wrong := wrong_label(name):
        found = f"the name {shown_option(name)} is not valid. {wrong}" if name else "name= is missing"
        given = ", ".join(getattr(each, "__name__", shown_option(each)) for each in events)
        raise InvalidDefinition(
            f"cannot use @{decorator} with ({given}): {found}. Pass the classes of events and a stable name for the "
            f"checkpoint. Write @{decorator}(SomeEvent, name='send_mail') above the handler."
        )
    for event in events:
        check_message(decorator, event, Event)


class _Registration:
    """A decorator of handlers.

    Args:
        register: called with each handler.
    """

    def __init__(self, register: Callable[[Any], None]) -> None:
        self._register = register

    def _registered(self, handler: Any) -> Any:
        self._register(handler)
        return handler


class CommandRegistration(_Registration, Generic[C_co]):
    """Registers a handler of the command `C_co` and returns it unchanged."""

    @overload
    def __call__(
        self: CommandRegistration[Command[R]], handler: FunctionHandler[C_co, ..., R, P, T]
    ) -> Callable[P, T]: ...
    @overload
    def __call__(  # pyright: ignore[reportOverlappingOverload]  # a class is not a FunctionHandler
        self: CommandRegistration[Command[R]], handler: ClassHandler[C_co, ..., R, P, T]
    ) -> type[T]: ...
    @overload  # matches nothing more, and is what a type checker shows for a handler that it refuses
    def __call__(self: CommandRegistration[Command[R]], handler: Handler[C_co, P, R]) -> Handler[C_co, P, R]: ...
    def __call__(self, handler: Any) -> Any:
        return self._registered(handler)


class QueryRegistration(_Registration, Generic[Q_co]):
    """Registers a handler of the query `Q_co` and returns it unchanged."""

    @overload
    def __call__(self: QueryRegistration[Query[R]], handler: FunctionHandler[Q_co, ..., R, P, T]) -> Callable[P, T]: ...
    @overload
    def __call__(  # pyright: ignore[reportOverlappingOverload]  # a class is not a FunctionHandler
        self: QueryRegistration[Query[R]], handler: ClassHandler[Q_co, ..., R, P, T]
    ) -> type[T]: ...
    @overload  # matches nothing more, and is what a type checker shows for a handler that it refuses
    def __call__(self: QueryRegistration[Query[R]], handler: Handler[Q_co, P, R]) -> Handler[Q_co, P, R]: ...
    def __call__(self, handler: Any) -> Any:
        return self._registered(handler)


class EventRegistration(_Registration, Generic[E_co]):
    """Registers a handler of the event `E_co` and returns it unchanged."""

    @overload
    def __call__(  # type: ignore[overload-overlap]  # the last one hides nothing
        self, handler: FunctionHandler[E_co, ..., None, P, T]
    ) -> Callable[P, T]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, handler: ClassHandler[E_co, ..., None, P, T]
    ) -> type[T]: ...
    @overload  # matches nothing more, and is what a type checker shows for a handler that it refuses
    def __call__(self, handler: Handler[E_co, P, None]) -> Handler[E_co, P, None]: ...
    def __call__(self, handler: Any) -> Any:
        return self._registered(handler)
