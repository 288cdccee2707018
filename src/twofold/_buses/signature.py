"""The signatures of handlers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a handler.

    Attributes:
        name: the name.
        type: the annotation, or `inspect.Parameter.empty` without an annotation.
        has_default: whether the parameter is optional.
        keyword_only: whether the argument must be passed by name.
        marker: a marker of `dependency_injector` such as `Provide["mailer"]`, as the default or in `Annotated`, or None.
    """

    name: str
    type: Any
    has_default: bool
    keyword_only: bool
    marker: Any = None

    def __str__(self) -> str:
        if self.type is inspect.Parameter.empty:
            return f"'{self.name}' (not annotated)"
        return f"'{self.name}: {written(self.type)}'"


@dataclass(frozen=True, slots=True)
class Signature:
    """The parameters of a callable, and its result type, which is `inspect.Parameter.empty` without an annotation."""

    parameters: tuple[Parameter, ...]
    returns: Any

    @property
    def after_self(self) -> Signature:
        """The signature of the bound method."""
        return Signature(self.parameters[1:], self.returns)


def signature_of(function: Callable[..., Any], names: Mapping[str, Any]) -> Signature:
    """Return the signature of a function, with its annotations resolved.

    Args:
        function: a function, or a method of a class. `self` is one of its parameters.
        names: local names that the annotations may use.

    Raises:
        NameError: an annotation uses a name that does not exist at run time.
    """
    notifier = get_type_hints(function, localns=dict(names), include_extras=True)
    read = inspect.signature(function)
    parameters = tuple(
        _parameter(parameter, notifier.get(parameter.name, inspect.Parameter.empty))
        for parameter in read.parameters.values()
        if parameter.kind not in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    )
    return Signature(parameters, notifier.get("return", inspect.Parameter.empty))


def written(annotation: Any) -> str:
    """Return a type as its user writes it, without module names: `Repository[Order]`."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is None or annotation is NoneType:
        return "None"
    if isinstance(annotation, list):  # the parameters of a Callable
        return f"[{', '.join(map(written, annotation))}]"
    if origin in (Union, UnionType):
        return " | ".join(map(written, arguments))
    if origin is Annotated:
        return written(arguments[0])
    name = getattr(origin or annotation, "__name__", None) or str(annotation)
    if origin is Literal:
        return f"{name}[{', '.join(map(repr, arguments))}]"
    return f"{name}[{', '.join(map(written, arguments))}]" if arguments and origin else name


def _parameter(parameter: inspect.Parameter, annotation: Any) -> Parameter:
    has_default = parameter.default is not inspect.Parameter.empty
    marker = parameter.default if has_default and _is_marker(parameter.default) else None
    if get_origin(annotation) is Annotated:
        annotation, *extras = get_args(annotation)
        marker = marker or next((extra for extra in extras if _is_marker(extra)), None)
    return Parameter(
        name=parameter.name,
        type=annotation,
        has_default=has_default and marker is None,
        keyword_only=parameter.kind is inspect.Parameter.KEYWORD_ONLY,
        marker=marker,
    )


def _is_marker(value: object) -> bool:
    return getattr(value, "__IS_MARKER__", False) is True
