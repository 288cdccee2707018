"""Call a handler with its message and its further parameters."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeAlias

from .._buses.callables import as_async
from .binding import Binding
from .scope import Scope

Invoke: TypeAlias = Callable[[Scope, Any], Coroutine[Any, Any, Any]]
"""Handles a message in a scope."""


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
    """Do the same for a class, which is instantiated for each message."""
    call = as_async(cls.__call__)

    async def invoke(scope: Scope, message: Any) -> Any:
        handler = cls(**await resolved(scope, made_with))
        return await call(handler, message, **await resolved(scope, called_with))

    return invoke
