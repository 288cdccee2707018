"""The signatures of handlers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints
from weakref import WeakKeyDictionary

from .._definitions.annotations import arguments_of, substituted, without_none

_EMPTY = inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a handler.

    Attributes:
        name: the name.
        type: the annotation, or `inspect.Parameter.empty` without an annotation.
        wanted: the type of the object to inject: `X` for a parameter `x: X | None = None`.
        default: the default, or `inspect.Parameter.empty` without a default.
        kind: how the argument is passed.
        marker: a marker of `dependency_injector` such as `Provide["mailer"]`, as the default or in `Annotated`, or None.
    """

    name: str
    type: Any
    wanted: Any
    default: Any
    kind: Any
    marker: Any = None

    @property
    def has_default(self) -> bool:
        """Whether the parameter is optional."""
        return self.default is not _EMPTY

    @property
    def keyword_only(self) -> bool:
        """Whether the argument must be passed by name."""
        return self.kind is inspect.Parameter.KEYWORD_ONLY

    @property
    def positional_only(self) -> bool:
        """Whether the argument must be passed by position."""
        return self.kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL)

    def __str__(self) -> str:
        if self.type is _EMPTY:
            return f"'{self.name}' (not annotated)"
        return f"'{self.name}: {written(self.type)}'"


@dataclass(frozen=True, slots=True)
class Signature:
    """The parameters of a callable, and its result type, which is `inspect.Parameter.empty` without an annotation.

    The last parameter may be a `*args`. A `**kwargs` is left out.
    """

    parameters: tuple[Parameter, ...]
    returns: Any


_known: WeakKeyDictionary[Any, Signature] = WeakKeyDictionary()
"""The signatures of functions at the level of a module. Tests build the same application many times."""


def signature_of(function: Callable[..., Any], names: Mapping[str, Any], of: Any = None) -> Signature:
    """Return the signature of a callable, with its annotations resolved.

    The arguments of a `functools.partial` are left out, and a decorated function has the signature that its decorator says.

    Args:
        function: a function, a bound method, a partial; or, with `of`, a method of a class.
        names: local names that the annotations may use.
        of: the class, or the generic class with arguments, that the method belongs to. `self` is left out.

    Raises:
        NameError: an annotation uses a name that does not exist at run time. An annotation in quotes may raise other errors,
            too.
    """
    if names or of is not None or not inspect.isfunction(function) or function.__closure__:
        return _resolved(function, names, of)
    found = _known.get(function)
    if found is None:
        found = _known[function] = _resolved(function, names, of)
    return found


def _resolved(function: Callable[..., Any], names: Mapping[str, Any], of: Any) -> Signature:
    read = inspect.signature(function)
    fixed = function.keywords if isinstance(function, partial) else ()
    inner = _annotated_function(function)
    defined_by = next((base for base in _classes(of) if function in vars(base).values()), None)
    arguments = {} if defined_by is None else arguments_of(of, defined_by)
    own = {each.__name__: each for holder in (*_classes(of), inner) for each in getattr(holder, "__type_params__", ())}
    hints = get_type_hints(inner, localns={**names, **_closure(inner), **own}, include_extras=True)

    def annotation(name: str, written: Any) -> Any:
        found = hints.get(name, _EMPTY if isinstance(written, str) else written)
        return substituted(found, arguments) if arguments else found

    parameters = [
        _parameter(each, annotation(each.name, each.annotation))
        for each in read.parameters.values()
        if each.kind is not inspect.Parameter.VAR_KEYWORD and each.name not in fixed
    ]
    if of is not None and parameters and parameters[0].kind is not inspect.Parameter.VAR_POSITIONAL:
        del parameters[0]
    return Signature(tuple(parameters), annotation("return", read.return_annotation))


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
    default = parameter.default
    marker = default if _is_marker(default) else None
    marker = marker or next((extra for extra in _extras(annotation) if _is_marker(extra)), None)
    written_type = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    return Parameter(
        name=parameter.name,
        type=written_type,
        wanted=without_none(written_type),
        default=_EMPTY if marker is not None else default,
        kind=parameter.kind,
        marker=marker,
    )


def _extras(annotation: Any) -> tuple[Any, ...]:
    """Return the metadata that `Annotated` adds to an annotation, or to an alternative of a union."""
    if get_origin(annotation) is Annotated:
        inner, *extras = get_args(annotation)
        return (*extras, *_extras(inner))
    if get_origin(annotation) in (Union, UnionType):
        return tuple(extra for each in get_args(annotation) for extra in _extras(each))
    return ()


def _annotated_function(function: Any) -> Any:
    """Return the function whose annotations a callable has."""
    while isinstance(function, partial):
        function = function.func
    if inspect.isclass(function):
        return function.__init__
    if not (inspect.isroutine(function) or hasattr(function, "__wrapped__")):
        function = function.__call__
    return inspect.unwrap(function)


def _closure(function: Any) -> Mapping[str, Any]:
    """Return the names that a function uses from the functions around it."""
    function = getattr(function, "__func__", function)
    names = getattr(getattr(function, "__code__", None), "co_freevars", ())
    cells = zip(names, getattr(function, "__closure__", None) or (), strict=False)
    found = {}
    for name, cell in cells:
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return found


def _classes(of: Any) -> tuple[type[Any], ...]:
    cls = get_origin(of) or of
    return () if cls is None else cls.__mro__


def _is_marker(value: object) -> bool:
    return getattr(value, "__IS_MARKER__", False) is True
