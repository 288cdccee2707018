"""A handler's parameter, bound to the source of its value."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from .._buses.signature import Parameter
from .._definitions.aggregate import Aggregate
from .._definitions.view import View
from .scope import Scope

Resolve: TypeAlias = Callable[[Scope], Any]
"""Gives the value of a parameter; awaited when the binding says so."""


Invoke: TypeAlias = Callable[[Scope, Any], Coroutine[Any, Any, Any]]
"""Handles a message in a scope."""


@dataclass(frozen=True, slots=True)
class Binding:
    """A parameter with the way to its value.

    Attributes:
        parameter: the handler's parameter.
        resolve: gives the value.
        source: a description of the value, for `explain`.
        is_async: whether `resolve` must be awaited.
        awaited: whether the value is used by awaiting its methods.
        view: the view whose rows it is.
        aggregate: the aggregate whose repository it is.
        by_position: whether the value is passed by position: every parameter before this one is passed, too.
    """

    parameter: Parameter
    resolve: Resolve
    source: str
    is_async: bool = False
    awaited: bool = False
    view: type[View] | None = None
    aggregate: type[Aggregate] | None = None
    by_position: bool = False


async def resolved(scope: Scope, bindings: Sequence[Binding]) -> tuple[list[Any], dict[str, Any]]:
    """Return the values of parameters: the positional ones, and the keyword ones."""
    values: list[Any] = []
    named: dict[str, Any] = {}
    for binding in bindings:
        value = binding.resolve(scope)
        if binding.is_async:
            value = await value
        if binding.by_position:
            values.append(value)
        else:
            named[binding.parameter.name] = value
    return values, named
