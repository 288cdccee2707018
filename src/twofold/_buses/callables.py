"""Handlers as async callables."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import anyio.to_thread

from ..errors import InvalidDefinition
from .no_handler import Handle


def is_async(call: object) -> bool:
    """Return whether calling this gives a coroutine."""
    return inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(type(call).__call__)


def is_stream(call: object) -> bool:
    """Return whether calling this gives an async generator; for a class, whether calling its objects does."""
    call_of = call.__call__ if inspect.isclass(call) else type(call).__call__
    return inspect.isasyncgenfunction(call) or inspect.isasyncgenfunction(call_of)


def as_async(call: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, Any]]:
    """Return an async function as it is; a sync one as one that runs it in a worker thread.

    An async generator function becomes an async function that returns the generator.
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
    """Return the async callable of a handler that takes nothing but its message, for a bus that is used alone.

    Raises:
        InvalidDefinition: it takes more, or it is a class that cannot be made without arguments.
    """
    call: Any = handler
    if inspect.isclass(handler):
        try:
            call = handler()
        except TypeError as error:
            raise InvalidDefinition(
                f"cannot make the handler {handler.__qualname__}: {error}. A bus used alone injects nothing; "
                "pass an object that is ready, or register the class with an Application."
            ) from error
    try:
        inspect.signature(call).bind(None)
    except TypeError as error:
        name = getattr(handler, "__qualname__", type(handler).__qualname__)
        raise InvalidDefinition(
            f"cannot register {name}: {error}. On a bus used alone a handler takes exactly its message; "
            "an Application injects further parameters."
        ) from error
    return as_async(call)
