"""Ways to break an object that keep no state: each returns a function that wraps the object.

A mutant that keeps state is a class derived from `Proxy`; it is such a function, too.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from functools import wraps
from inspect import isawaitable, signature
from typing import Any, TypeAlias

from twofold.testing.conformance._tools.proxy import Proxy

Wrap: TypeAlias = Callable[[Any], Any]
"""Return an object that stands before another one and is broken."""


def instead(**functions: Callable[..., Any]) -> Wrap:
    """Call a function in place of a method, with the object as its first argument."""

    def wrap(inner: Any) -> Any:
        def bound(method: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
            return wraps(method)(lambda *args, **options: function(inner, *args, **options))

        return Proxy(inner, **{name: bound(getattr(inner, name), function) for name, function in functions.items()})

    return wrap


def ignoring(*methods: str, returning: object = None) -> Wrap:
    """Do nothing in these methods, and return always the same."""

    async def nothing(*_: object, **__: object) -> object:
        return returning

    return instead(**dict.fromkeys(methods, nothing))


def changing(*methods: str, **changes: Callable[[Any], Any]) -> Wrap:
    """Change arguments of methods on their way, those that are left to their default included."""

    def changed(method: str) -> Callable[..., Any]:
        def call(inner: Any, *args: Any, **options: Any) -> Any:
            given = signature(getattr(inner, method)).bind(*args, **options)
            given.apply_defaults()
            for name, change in changes.items():
                given.arguments[name] = change(given.arguments[name])
            return getattr(inner, method)(*given.args, **given.kwargs)

        return call

    return instead(**{method: changed(method) for method in methods})


def replacing(*methods: str, **arguments: Any) -> Wrap:
    """Call methods with other arguments than those that are given."""
    return changing(*methods, **{name: lambda _, value=value: value for name, value in arguments.items()})


def changing_result(*methods: str, to: Callable[[Any], Any]) -> Wrap:
    """Change the results of methods. The items of an async iterator are changed as one list."""

    def changed(method: str) -> Callable[..., Any]:
        def call(inner: Any, *args: Any, **options: Any) -> Any:
            found = getattr(inner, method)(*args, **options)
            return _awaited(found, to) if isawaitable(found) else _iterated(found, to)

        return call

    return instead(**{method: changed(method) for method in methods})


async def _awaited(found: Awaitable[Any], to: Callable[[Any], Any]) -> Any:
    return to(await found)


async def _iterated(found: AsyncIterator[Any], to: Callable[[Any], Any]) -> AsyncIterator[Any]:
    for each in to([each async for each in found]):
        yield each


def suppressing(error: type[Exception], *methods: str, returning: object = None) -> Wrap:
    """Say nothing when methods are refused."""

    def suppressed(method: str) -> Callable[..., Any]:
        async def call(inner: Any, *args: Any, **options: Any) -> Any:
            with suppress(error):
                return await getattr(inner, method)(*args, **options)
            return returning

        return call

    return instead(**{method: suppressed(method) for method in methods})


def raising(change: Callable[[Any], Exception], *methods: str, of: type[Exception]) -> Wrap:
    """Raise another error where methods raise one of a type."""

    def changed(method: str) -> Callable[..., Any]:
        async def call(inner: Any, *args: Any, **options: Any) -> Any:
            try:
                return await getattr(inner, method)(*args, **options)
            except of as error:
                raise change(error) from error

        return call

    return instead(**{method: changed(method) for method in methods})


def both(*broken: Wrap) -> Wrap:
    """Break an object in several ways."""

    def wrap(inner: Any) -> Any:
        for each in broken:
            inner = each(inner)
        return inner

    return wrap


def for_each(make: Callable[[Any], Wrap]) -> Wrap:
    """Break each object with a wrapper of its own, which can store state or call the object."""
    return lambda inner: make(inner)(inner)


def without_zeros(text: str) -> str:
    """Return a JSON text whose decimals have no trailing zeros."""
    return re.sub(r'(\.\d*?)0+"', r'\1"', text)
