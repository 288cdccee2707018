"""The middleware chain: the type of a middleware, and the composition of several around a callable."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from inspect import CO_VARARGS, CO_VARKEYWORDS, iscoroutinefunction, signature
from types import FunctionType
from typing import Any, TypeAlias

from ..errors import ConfigurationError

CallNext: TypeAlias = Callable[[Any], Coroutine[Any, Any, Any]]
"""The rest of the chain: takes the message, and returns the result."""


Middleware: TypeAlias = Callable[[Any, CallNext], Coroutine[Any, Any, Any]]
"""An async function that takes a message and the rest of the chain."""


def unusable(middleware: object) -> str | None:
    """Return an error text if an object cannot be a middleware."""
    name = getattr(middleware, "__qualname__", None) or repr(middleware)[:100]
    if not callable(middleware):
        return f"{name} is not a middleware. Pass an async function that takes (message, call_next)."
    try:
        signature(middleware).bind(None, None)
    except TypeError:
        return (
            f"{name} cannot be called with a message and call_next, so it is not a middleware. If it returns one, call it "
            f"first: {name}(…)."
        )
    except ValueError:  # some builtins have no signature
        return None
    if not (iscoroutinefunction(middleware) or iscoroutinefunction(type(middleware).__call__)):
        return f"{name} is not a middleware: it is not async. Write `async def`, and `return await call_next(message)`."
    return None


def checked(middleware: Sequence[Middleware]) -> tuple[Middleware, ...]:
    """Return the middleware of a bus without an application.

    Raises:
        ConfigurationError: an object cannot be a middleware.
    """
    for each in middleware:
        if wrong := unusable(each):
            raise ConfigurationError(f"cannot create a bus with this middleware: {wrong}")
    return tuple(middleware)


def compose(middleware: Sequence[Middleware], last: CallNext) -> CallNext:
    """Return a callable that runs the middleware around another one, the first middleware outermost."""
    for link in reversed(middleware):
        last = _linked(link, last)
    return last


def _linked(link: Middleware, call_next: CallNext) -> CallNext:
    """Return a middleware as a function of the message alone.

    A plain function is copied, with the rest of the chain as the default of its second parameter. A lambda would cost one
    more call for each message, which is half of the cost of a middleware (`benchmarks/buses.py`).
    """
    if isinstance(link, FunctionType) and _is_plain(link):
        bound = FunctionType(link.__code__, link.__globals__, link.__name__, (call_next,), link.__closure__)
        bound.__qualname__ = link.__qualname__
        return bound
    return lambda message: link(message, call_next)


def _is_plain(function: FunctionType) -> bool:
    """Return whether a function has exactly two parameters, without defaults."""
    code = function.__code__
    others = code.co_kwonlyargcount or code.co_flags & (CO_VARARGS | CO_VARKEYWORDS)
    return code.co_argcount == 2 and not others and not function.__defaults__
