"""Exceptions that the handler of an entry may raise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping


class Abrupt(BaseException):
    """An exception that `except Exception` does not catch."""


class Wordless(Exception):
    """An error whose text cannot be created."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


def _recurse() -> BaseException:
    try:
        _recurse()
    except RecursionError as error:
        return error
    return AssertionError("the recursion has an end")


RAISING: Mapping[str, Callable[[], BaseException]] = {
    "abrupt": Abrupt,
    "cancelled": asyncio.CancelledError,
    "group": lambda: ExceptionGroup("two", [ValueError(), Wordless()]),
    "abruptgroup": lambda: BaseExceptionGroup("two", [ValueError(), Abrupt()]),
    "recursion": _recurse,
    "wordless": Wordless,
    "surrogate": lambda: ValueError("half a pair \udcff, and NUL \x00"),
    "long": lambda: ValueError("x" * 100_000),
    "stopped": StopAsyncIteration,
}
"""Functions that create a new exception of each kind."""


def raise_for(name: str) -> None:
    """Raise the exception with this name; do nothing for other names."""
    if name in RAISING:
        error = RAISING[name]()
        raise error
