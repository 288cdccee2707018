"""Handlers of every kind as async callables."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import anyio.to_thread

from ..errors import InvalidDefinition
from .no_handler import Handle


def is_async(call: object) -> bool:
    """Return whether a callable returns a coroutine."""
    return inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(type(call).__call__)


def is_stream(call: object) -> bool:
    """Return whether a callable returns an async generator. For a class, its objects are the callables."""
    call_of = call.__call__ if inspect.isclass(call) else type(call).__call__
    return inspect.isasyncgenfunction(call) or inspect.isasyncgenfunction(call_of)


def as_async(call: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, Any]]:
    """Return an async function that does the same; an async function is returned unchanged.

    A sync function runs in a worker thread. For an async generator function, the result is the generator.
    """
    if is_async(call):
        return call
    if is_stream(call):

        async def opened(*args: Any, **kwargs: Any) -> Any:
            return call(*args, **kwargs)

        return opened

    async def threaded(*args: Any, **kwargs: Any) -> Any:
        return await anyio.to_thread.run_sync(partial(call, *args, **kwargs))

    return threaded


def standalone(handler: Any) -> Handle:
    """Return the async callable of a handler, for a bus without an application.

    Raises:
        InvalidDefinition: the handler takes more than its message, or it is a class whose constructor needs arguments.
    """
    call: Any = handler
    if inspect.isclass(handler):
        try:
            call = handler()
        except TypeError as error:
            raise InvalidDefinition(
                f"cannot create the handler {handler.__qualname__}: {error}. A bus without an application injects nothing. "
                "Pass an object of the class, or register the class with an Application."
            ) from error
    try:
        inspect.signature(call).bind(None)
    except TypeError as error:
        name = getattr(handler, "__qualname__", type(handler).__qualname__)
        raise InvalidDefinition(
            f"cannot register {name}: {error}. On a bus without an application, a handler takes exactly its message. "
            "An Application injects further parameters."
        ) from error
    return as_async(call)
