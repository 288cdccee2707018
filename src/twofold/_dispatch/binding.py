"""A handler's parameter, bound to the source of its value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from .._buses.signature import Parameter
from .._definitions.view import View
from .scope import Scope

Resolve: TypeAlias = Callable[[Scope], Any]
"""Gives the value of a parameter; awaited when the binding says so."""


@dataclass(frozen=True, slots=True)
class Binding:
    """A parameter with the way to its value.

    Attributes:
        parameter: the handler's parameter.
        resolve: gives the value.
        source: what the value is, in words, for `explain`.
        is_async: whether `resolve` must be awaited.
        awaited: whether the value is used by awaiting its methods.
        view: the view whose rows it is.
    """

    parameter: Parameter
    resolve: Resolve
    source: str
    is_async: bool = False
    awaited: bool = False
    view: type[View] | None = None
