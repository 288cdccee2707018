"""Annotations at run time: aliases resolved, and type parameters replaced by their arguments."""

from __future__ import annotations

from collections.abc import Mapping
from types import GenericAlias, NoneType, UnionType
from typing import Annotated, Any, Generic, Protocol, TypeVar, Union, cast, get_args, get_origin

from typing_extensions import NoDefault

Arguments = Mapping[Any, Any]
"""The argument of each type parameter."""


def plain(annotation: Any) -> Any:
    """Return an annotation without `Annotated`, and with the meaning of a `type` alias in place of its name."""
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation = get_args(annotation)[0]
        elif hasattr(origin, "__value__"):  # `Rows[Order]` of a `type Rows[T] = ...`
            annotation = substituted(
                origin.__value__, dict(zip(origin.__type_params__, get_args(annotation), strict=False))
            )
        elif hasattr(annotation, "__value__"):
            annotation = annotation.__value__
        else:
            return annotation


def options(annotation: Any) -> tuple[Any, ...]:
    """Return the alternatives of an annotation: those of a union, otherwise the annotation itself. Each is plain."""
    annotation = plain(annotation)
    if get_origin(annotation) in (Union, UnionType):
        return tuple(option for each in get_args(annotation) for option in options(each))
    return (annotation,)


def without_none(annotation: Any) -> Any:
    """Return `X` for `X | None`, and every other annotation without `Annotated` and aliases."""
    found = [each for each in options(annotation) if each is not None and each is not NoneType]
    return found[0] if len(found) == 1 else plain(annotation)


def substituted(annotation: Any, arguments: Arguments) -> Any:
    """Return an annotation with its type parameters replaced. A parameter without an argument stays."""
    if isinstance(annotation, TypeVar):
        return arguments.get(annotation, annotation)
    if isinstance(annotation, list):  # the parameters of a Callable
        return [substituted(each, arguments) for each in annotation]
    generic = getattr(annotation, "__pydantic_generic_metadata__", None)
    parameters = generic["parameters"] if generic else getattr(annotation, "__parameters__", ())
    if not parameters or (isinstance(annotation, type) and not generic and not isinstance(annotation, GenericAlias)):
        return annotation
    replaced = tuple(arguments.get(each, each) for each in parameters)
    if replaced == tuple(parameters):
        return annotation
    return cast(Any, annotation)[replaced[0] if len(replaced) == 1 else replaced]


def closed(annotation: Any) -> Any:
    """Return an annotation with the default of each type parameter that is left, or Any without a default."""
    if isinstance(annotation, TypeVar):
        return _default(annotation)
    generic = getattr(annotation, "__pydantic_generic_metadata__", None)
    left = generic["parameters"] if generic else getattr(annotation, "__parameters__", ())
    return substituted(annotation, {each: _default(each) for each in left})


def arguments_of(cls: Any, base: type[Any]) -> Arguments:
    """Return the arguments that a class, or an alias such as `Handler[Order]`, fixes for the parameters of a base class."""
    return _arguments_of(cls, base) or {}


def _arguments_of(cls: Any, base: type[Any]) -> Arguments | None:
    origin = get_origin(cls) or cls
    own = dict(zip(getattr(origin, "__parameters__", ()), get_args(cls), strict=False))
    if origin is base:
        return own
    for above in vars(origin).get("__orig_bases__", origin.__bases__):
        plain_base = get_origin(above) or above
        if plain_base in (Generic, Protocol) or not isinstance(plain_base, type) or not issubclass(plain_base, base):
            continue
        found = _arguments_of(above, base)
        if found is not None:
            return {parameter: substituted(argument, own) for parameter, argument in found.items()}
    return None


def _default(parameter: Any) -> Any:
    default = getattr(parameter, "__default__", NoDefault)
    return Any if default is NoDefault or (default is None and not _has_default(parameter)) else default


def _has_default(parameter: Any) -> bool:
    return bool(getattr(parameter, "has_default", lambda: False)())
