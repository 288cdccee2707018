"""Call a handler: whatever it is, it becomes an async callable."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio.to_thread

from ._dispatch import Handle
from .errors import InvalidDefinition

if TYPE_CHECKING:
    from ._dependencies import Binding
    from ._scope import Scope

Invoke: TypeAlias = "Callable[[Scope, Any], Coroutine[Any, Any, Any]]"
"""Handles a message in a scope."""


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


def invocation(call: Callable[..., Coroutine[Any, Any, Any]], bindings: Sequence[Binding]) -> Invoke:
    """Return a callable of a scope and a message that resolves the further parameters and calls the handler."""
    if any(binding.is_async or binding.parameter.keyword_only for binding in bindings):
        return _by_name(call, bindings)
    match [binding.resolve for binding in bindings]:
        case []:
            return lambda scope, message: call(message)
        case [first]:
            return lambda scope, message: call(message, first(scope))
        case [first, second]:
            return lambda scope, message: call(message, first(scope), second(scope))
        case resolves:
            return lambda scope, message: call(message, *[resolve(scope) for resolve in resolves])


def _by_name(call: Callable[..., Coroutine[Any, Any, Any]], bindings: Sequence[Binding]) -> Invoke:
    async def invoke(scope: Scope, message: Any) -> Any:
        return await call(message, **await resolved(scope, bindings))

    return invoke


async def resolved(scope: Scope, bindings: Sequence[Binding]) -> dict[str, Any]:
    """Return the values of parameters by name."""
    values: dict[str, Any] = {}
    for binding in bindings:
        value = binding.resolve(scope)
        values[binding.parameter.name] = await value if binding.is_async else value
    return values


def invocation_of_class(cls: type[Any], made_with: Sequence[Binding], called_with: Sequence[Binding]) -> Invoke:
    """Return the same for a class: it is made for each message, and then called with it."""
    call = as_async(cls.__call__)

    async def invoke(scope: Scope, message: Any) -> Any:
        handler = cls(**await resolved(scope, made_with))
        return await call(handler, message, **await resolved(scope, called_with))

    return invoke
