"""Handlers of every kind as async callables."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Coroutine
from functools import partial
from typing import Any, Final, get_origin

import anyio.to_thread

from ..errors import InvalidDefinition
from .no_handler import Handle

_AWAITABLES: Final = {"Awaitable", "Coroutine", "Future", "Task"}
"""The names of types that are awaited."""

_STREAMS: Final = {"AsyncGenerator", "AsyncIterable", "AsyncIterator"}
"""The names of types that are iterated over asynchronously."""


def plain_handler(handler: Any) -> Any:
    """Return the handler that is called and planned: the function of a staticmethod, otherwise the handler itself."""
    return handler.__func__ if isinstance(handler, staticmethod) else handler


def handler_class(handler: Any) -> Any:
    """Return the class of a handler that is a class, also of a generic class with arguments; None for other handlers."""
    cls = get_origin(handler) or handler
    return cls if inspect.isclass(cls) else None


def is_async(call: object) -> bool:
    """Return whether a callable returns an awaitable.

    Async functions do, also inside partial objects and sync decorators, and so do functions annotated with an
    awaitable.
    """
    while isinstance(call, partial):
        call = call.func
    function: Any = inspect.unwrap(call if inspect.isroutine(call) else type(call).__call__)
    if inspect.iscoroutinefunction(function):
        return True
    return _result_name(function) in _AWAITABLES


def is_stream(call: object) -> bool:
    """Return whether a callable returns an async iterator. For a class, its objects are the callables.

    Async generator functions do, and so do functions annotated with an async iterator.
    """
    while isinstance(call, partial):
        call = call.func
    call_of: Any = call.__call__ if inspect.isclass(call) else type(call).__call__
    function: Any = inspect.unwrap(call if inspect.isroutine(call) else call_of)
    return inspect.isasyncgenfunction(function) or _result_name(function) in _STREAMS


def _result_name(function: Any) -> str:
    """Return the name of the type that a function is annotated to return; empty if there is none."""
    returns = getattr(function, "__annotations__", {}).get("return")
    origin = get_origin(returns) or returns
    name: str = origin if isinstance(origin, str) else getattr(origin, "__name__", "")
    return name.partition("[")[0].rpartition(".")[2]


def as_async(call: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, Any]]:
    """Return an async function that does the same; an async function is returned unchanged.

    A sync function runs in a worker thread. An awaitable that it returns is awaited here. A sync decorator of an async
    function runs here, too. For a function that returns an async iterator, the result is an async generator.
    """
    if is_stream(call):

        async def opened(*args: Any, **kwargs: Any) -> Any:
            result = call(*args, **kwargs)
            if inspect.isawaitable(result):
                result = await result
            return result if hasattr(result, "aclose") else _closing(result)

        return opened
    if inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(type(call).__call__):
        return call
    if is_async(call):

        async def awaited(*args: Any, **kwargs: Any) -> Any:
            result = call(*args, **kwargs)
            return await result if inspect.isawaitable(result) else result

        return awaited

    async def threaded(*args: Any, **kwargs: Any) -> Any:
        result = await anyio.to_thread.run_sync(partial(call, *args, **kwargs))
        return await result if inspect.isawaitable(result) else result

    return threaded


async def _closing(items: AsyncIterable[Any]) -> AsyncGenerator[Any]:
    async for item in items:
        yield item


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
