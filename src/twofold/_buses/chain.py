"""The middleware chain: what a middleware is, and how several are composed around a callable."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from inspect import CO_VARARGS, CO_VARKEYWORDS, iscoroutinefunction, signature
from types import FunctionType
from typing import Any, TypeAlias

from ..errors import ConfigurationError

CallNext: TypeAlias = Callable[[Any], Coroutine[Any, Any, Any]]
"""The rest of the chain."""


Middleware: TypeAlias = Callable[[Any, CallNext], Coroutine[Any, Any, Any]]
"""An async function of a message and the rest of the chain."""


def unusable(middleware: object) -> str | None:
    """Return what is wrong with something that is to be a middleware, and what to do; None when nothing is."""
    name = getattr(middleware, "__qualname__", None) or repr(middleware)[:100]
    if not callable(middleware):
        return f"{name} is no middleware: give an async function of a message and call_next."
    try:
        signature(middleware).bind(None, None)
    except TypeError:
        return (
            f"{name} cannot be called with a message and call_next, as a middleware is. If it makes one, call it first: "
            f"{name}(…)."
        )
    except ValueError:  # of a builtin, nobody knows
        return None
    if not (iscoroutinefunction(middleware) or iscoroutinefunction(type(middleware).__call__)):
        return f"{name} is no middleware, as it is not async. Write `async def`, and `return await call_next(message)`."
    return None


def checked(middleware: Sequence[Middleware]) -> tuple[Middleware, ...]:
    """Return the middleware of a bus that is used alone.

    Raises:
        ConfigurationError: one of them is none.
    """
    for each in middleware:
        if wrong := unusable(each):
            raise ConfigurationError(f"cannot make a bus with this middleware: {wrong}")
    return tuple(middleware)


def compose(middleware: Sequence[Middleware], last: CallNext) -> CallNext:
    """Put middleware around a callable, the first one outermost. Without middleware the callable itself comes back."""
    for link in reversed(middleware):
        last = _linked(link, last)
    return last


def _linked(link: Middleware, call_next: CallNext) -> CallNext:
    """Return a middleware as a function of the message alone.

    A plain function becomes a copy of itself whose second parameter has a default: a lambda around it would cost each
    message a call more, which is half of what a middleware costs at all (`benchmarks/buses.py`).
    """
    if isinstance(link, FunctionType) and _is_plain(link):
        bound = FunctionType(link.__code__, link.__globals__, link.__name__, (call_next,), link.__closure__)
        bound.__qualname__ = link.__qualname__
        return bound
    return lambda message: link(message, call_next)


def _is_plain(function: FunctionType) -> bool:
    """Return whether a function has two parameters and no other, neither of them with a default."""
    code = function.__code__
    others = code.co_kwonlyargcount or code.co_flags & (CO_VARARGS | CO_VARKEYWORDS)
    return code.co_argcount == 2 and not others and not function.__defaults__
