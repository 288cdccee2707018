"""The typed half of the decorators: what a handler of a message may look like.

Each class is generic in the message, covariant, and its `__call__` reads the result type `R` back out of it, so that a
type checker rejects a handler with the wrong parameter or the wrong result, whatever it has injected besides.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, overload

from .._definitions.message import Command, Event, Query
from ..errors import InvalidDefinition

M_contra = TypeVar("M_contra", contravariant=True)
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
P = ParamSpec("P")
T = TypeVar("T")
C_co = TypeVar("C_co", bound=Command[Any], covariant=True)
Q_co = TypeVar("Q_co", bound=Query[Any], covariant=True)
E_co = TypeVar("E_co", bound=Event, covariant=True)


def check_message(decorator: str, given: object, base: type[object], *, write: str = "") -> None:
    """Look at what a decorator was given, so that one without parentheses does not pass for a registration.

    Args:
        decorator: what it is called.
        given: its argument.
        base: what that has to be a class of.
        write: how it is written; as a decorator with one class by default.

    Raises:
        InvalidDefinition: it is no class of this kind.
    """
    if inspect.isclass(given) and issubclass(given, base):
        return
    kind, article = base.__name__.lower(), "an" if base is Event else "a"
    called = decorator if write.startswith("app.") else f"@{decorator}"
    write = write or f"@{decorator}(Some{base.__name__})"
    raise InvalidDefinition(
        f"cannot use {called} so: it takes the class of {article} {kind}, and was given {given!r:.100}. "
        f"Write {write}{'' if write.startswith('app.') else ' above the handler'}."
    )


def named(event_handler: Callable[P, T]) -> Callable[P, T]:
    """Let `event handler` without its brackets or its name say how it is written; its signature alone would not."""

    @wraps(event_handler)
    def with_name(*args: P.args, **kwargs: P.kwargs) -> T:
        if not isinstance(name := kwargs.get("name"), str):
            found = f"was given the name {name!r:.100}" if "name" in kwargs else "has no name="
            given = ", ".join(getattr(each, "__name__", repr(each)) for each in args[1:])
            raise InvalidDefinition(
                f"cannot use @event_handler so: it takes the classes of events and the stable name of its checkpoint, and "
                f"({given}) {found}. Write @event_handler(SomeEvent, name='send_mail') above the handler."
            )
        return event_handler(*args, **kwargs)

    return with_name


class AsyncHandler(Protocol[M_contra, R_co]):
    """An object that handles a message when called."""

    def __call__(self, message: M_contra, /) -> Awaitable[R_co]: ...


class CommandRegistration(Generic[C_co]):
    """Registers a handler of the command `C_co` and returns it unchanged."""

    def __init__(self, register: Callable[[Any], None]) -> None:
        self._register = register

    @overload
    def __call__(
        self: CommandRegistration[Command[R]], handler: Callable[Concatenate[C_co, P], Awaitable[R]]
    ) -> Callable[Concatenate[C_co, P], Awaitable[R]]: ...
    @overload
    def __call__(
        self: CommandRegistration[Command[R]], handler: Callable[Concatenate[C_co, P], R]
    ) -> Callable[Concatenate[C_co, P], R]: ...
    @overload
    def __call__(
        self: CommandRegistration[Command[R]], handler: Callable[P, AsyncHandler[C_co, R]]
    ) -> Callable[P, AsyncHandler[C_co, R]]: ...
    def __call__(self, handler: Any) -> Any:
        self._register(handler)
        return handler


class QueryRegistration(Generic[Q_co]):
    """Registers a handler of the query `Q_co` and returns it unchanged."""

    def __init__(self, register: Callable[[Any], None]) -> None:
        self._register = register

    @overload
    def __call__(
        self: QueryRegistration[Query[R]], handler: Callable[Concatenate[Q_co, P], Awaitable[R]]
    ) -> Callable[Concatenate[Q_co, P], Awaitable[R]]: ...
    @overload
    def __call__(
        self: QueryRegistration[Query[AsyncIterator[R]]], handler: Callable[Concatenate[Q_co, P], AsyncIterator[R]]
    ) -> Callable[Concatenate[Q_co, P], AsyncIterator[R]]: ...
    @overload
    def __call__(
        self: QueryRegistration[Query[R]], handler: Callable[Concatenate[Q_co, P], R]
    ) -> Callable[Concatenate[Q_co, P], R]: ...
    @overload
    def __call__(
        self: QueryRegistration[Query[R]], handler: Callable[P, AsyncHandler[Q_co, R]]
    ) -> Callable[P, AsyncHandler[Q_co, R]]: ...
    def __call__(self, handler: Any) -> Any:
        self._register(handler)
        return handler


class EventRegistration(Generic[E_co]):
    """Registers a handler of the event `E_co` and returns it unchanged."""

    def __init__(self, register: Callable[[Any], None]) -> None:
        self._register = register

    @overload
    def __call__(
        self, handler: Callable[Concatenate[E_co, P], Awaitable[None]]
    ) -> Callable[Concatenate[E_co, P], Awaitable[None]]: ...
    @overload
    def __call__(self, handler: Callable[Concatenate[E_co, P], None]) -> Callable[Concatenate[E_co, P], None]: ...
    @overload
    def __call__(self, handler: Callable[P, AsyncHandler[E_co, None]]) -> Callable[P, AsyncHandler[E_co, None]]: ...
    def __call__(self, handler: Any) -> Any:
        self._register(handler)
        return handler
