"""The middleware chain: the type of a middleware, and the composition of several around a callable."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from inspect import CO_VARARGS, CO_VARKEYWORDS, Parameter, iscoroutinefunction, signature
from types import FunctionType
from typing import Any, Final, TypeAlias

from .._definitions.envelope import Envelope
from ..errors import ConfigurationError

_BY_POSITION: Final = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)

CallNext: TypeAlias = Callable[[Any], Coroutine[Any, Any, Any]]
"""The rest of the chain: takes the message, and returns the result."""


Middleware: TypeAlias = Callable[[Any, CallNext], Coroutine[Any, Any, Any]]
"""An async function that takes a message and the rest of the chain."""

EnvelopeMiddleware: TypeAlias = Callable[[Any, CallNext, Envelope[Any]], Coroutine[Any, Any, Any]]
"""An async function that takes the envelope of the message as well. The third parameter is named `envelope`."""


def takes_envelope(middleware: object) -> bool:
    """Return whether a middleware has a third parameter `envelope`."""
    try:
        parameters = list(signature(middleware).parameters.values()) if callable(middleware) else []
    except ValueError:  # some builtins have no signature
        return False
    third = parameters[2] if len(parameters) > 2 else None
    return third is not None and third.name == "envelope" and third.kind in _BY_POSITION


def _has_named_envelope(middleware: object) -> bool:
    """Return whether a middleware has a keyword-only parameter `envelope`, which it would never get."""
    try:
        found = signature(middleware).parameters.get("envelope") if callable(middleware) else None
    except ValueError:
        return False
    return found is not None and found.kind is Parameter.KEYWORD_ONLY


def unusable(middleware: object, *, envelope: bool = False) -> str | None:
    """Return an error text if an object cannot be a middleware.

    Args:
        middleware: the object.
        envelope: whether messages have an envelope, which the middleware may take.
    """
    name = getattr(middleware, "__qualname__", None) or repr(middleware)[:100]
    if not callable(middleware):
        return f"{name} is not a middleware. Pass an async function that takes (message, call_next)."
    enveloped = takes_envelope(middleware)
    if _has_named_envelope(middleware):
        return f"{name} takes `envelope` by name only, and is called by position. Remove the `*` before the parameter."
    try:
        signature(middleware).bind(None, None, *([None] if envelope and enveloped else []))
    except TypeError:
        if enveloped and not envelope:
            return (
                f"{name} takes the envelope of the message, and the messages of a bus without an application have none. "
                "Use it in an Application, or give the parameter `envelope` a default."
            )
        return (
            f"{name} cannot be called with a message and call_next, so it is not a middleware. If it returns one, call it "
            f"first: {name}(…). A third parameter must be named `envelope`."
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
    more call for each message, which is half of the cost of a middleware (`benchmarks/buses.py`). The code is copied, too,
    because the interpreter optimises the calls of a code object for one callee, and each link calls another function.
    """
    if isinstance(link, FunctionType) and _is_plain(link):
        bound = FunctionType(link.__code__.replace(), link.__globals__, link.__name__, (call_next,), link.__closure__)
        bound.__qualname__ = link.__qualname__
        return bound
    return lambda message: link(message, call_next)


def _is_plain(function: FunctionType) -> bool:
    """Return whether a function has exactly two parameters, without defaults."""
    code = function.__code__
    others = code.co_kwonlyargcount or code.co_flags & (CO_VARARGS | CO_VARKEYWORDS)
    return code.co_argcount == 2 and not others and not function.__defaults__
