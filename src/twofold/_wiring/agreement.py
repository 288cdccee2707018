"""Check that the annotations of a handler fit its message.

An annotation is refused only if no type checker accepts it.
"""

from __future__ import annotations

import inspect
from typing import Any, TypeVar, get_origin

from typing_extensions import is_protocol, is_typeddict

from .._definitions.annotations import options

_PROMOTED = {float: (int,), complex: (int, float), bytes: (bytearray, memoryview)}
"""The classes whose objects type checkers also accept."""


def takes(annotation: Any, message: type[Any]) -> bool:
    """Return whether a first parameter with this annotation takes a message."""
    if annotation is inspect.Parameter.empty:
        return True
    return any(_takes(option, message) for option in options(annotation))


def gives(returns: Any, result: Any) -> bool:
    """Return whether a handler with this return annotation gives the result of a message."""
    given, wanted = list(options(returns)), list(options(result))
    if returns is inspect.Parameter.empty or len(given) > 1 or len(wanted) > 1:
        return True
    return _is_given(_class(given[0]), _class(wanted[0]))


def _takes(option: Any, message: type[Any]) -> bool:
    if isinstance(option, TypeVar):
        bounds = option.__constraints__ or (option.__bound__,)
        return any(bound is None or takes(bound, message) for bound in bounds)
    cls = _class(option)
    return cls is None or is_protocol(cls) or _is_subclass(message, cls)


def _is_given(given: type[Any] | None, wanted: type[Any] | None) -> bool:
    if given is None or wanted is None or hasattr(given, "__await__"):
        return True
    if any(is_protocol(each) or is_typeddict(each) for each in (given, wanted)):
        return True
    return _is_subclass(given, wanted) or given in _PROMOTED.get(wanted, ())


def _is_subclass(cls: type[Any], base: type[Any]) -> bool:
    try:
        return issubclass(cls, base)
    except Exception:  # noqa: BLE001 -- a metaclass may raise anything
        return True


def _class(annotation: Any) -> type[Any] | None:
    """Return the class of an annotation, without the arguments of a generic class; None if there is no such class."""
    if annotation is None:
        return type(None)
    cls = get_origin(annotation) or annotation
    if cls is Any or not inspect.isclass(cls):
        return None
    generic = getattr(cls, "__pydantic_generic_metadata__", None)
    return (generic and generic["origin"]) or cls
