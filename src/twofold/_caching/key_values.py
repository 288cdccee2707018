"""The values of fields in the keys of cached answers. Equal values are written alike, whatever their types and forms are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import partial
from types import NoneType, UnionType
from typing import Annotated, Any, Final, TypeAlias, Union, get_args, get_origin
from urllib.parse import quote
from uuid import UUID

from pydantic import BaseModel, PydanticUserError, TypeAdapter, ValidationError

from .._encoding.equal_values import plain
from .._encoding.secrets import is_secret

Read: TypeAlias = Callable[[Any], Any]
"""Returns the value that is written in place of a field's value."""

_NONE: Final = "%-"
"""None in a key. Percent-encoded text never contains it, so that the text "None" is another value."""

_CONTAINER: Final = "%."
"""The beginning of a list, a set or a mapping in a key, so that the text "[a]" is another value than the list of "a"."""


_ALONE: Final = frozenset({str, bytes, bool, int, float, Decimal, UUID, date, datetime, time, timedelta})
"""Types whose fields hold values of no other type."""


class Ambiguous(ValueError):
    """A text of a query stands for a value that events write in another way, so that no event would find its answer."""


def percent_encoded(value: Any, *, typed: bool = False) -> str:
    """Return the form of a value in a key: letters, digits and `_.-~%`.

    Args:
        value: the value.
        typed: whether values of different types have different forms, too.

    Raises:
        ValueError: the value is a secret, or contains one. The texts of all secrets are equal, and would share one key.
    """
    if type(value) is str and not typed:
        return _quoted(value)
    if type(value) is int and not typed:
        return str(value)
    if is_secret(value):
        raise ValueError("a secret cannot be part of a key")
    found, encoded = plain(value), partial(percent_encoded, typed=typed)
    mark = f"{type(value).__module__}.{type(value).__qualname__}~" if typed else ""
    match found:
        case None:
            return _NONE
        case BaseModel():
            return mark + encoded(dict(found))
        case Mapping():
            pairs = (f"{encoded(key)}:{encoded(each)}" for key, each in found.items())
            return mark + _CONTAINER + _quoted("{" + ",".join(sorted(pairs)) + "}")
        case set() | frozenset():
            return mark + _CONTAINER + _quoted("<" + ",".join(sorted(map(encoded, found))) + ">")
        case list() | tuple():
            return mark + _CONTAINER + _quoted("[" + ",".join(map(encoded, found)) + "]")
    if is_dataclass(found) and not isinstance(found, type):  # its text may leave out fields, and masks secrets
        return mark + encoded({field.name: getattr(found, field.name) for field in fields(found)})
    return mark + (_quoted(repr(value)) if typed and isinstance(value, Enum) else _quoted(str(found)))


def has_one_type(annotation: Any) -> bool:
    """Return whether equal values of a field have one type, apart from None, so that their keys need not name it."""
    annotation = getattr(annotation, "__value__", annotation)  # of a `type X = ...`
    annotation = getattr(annotation, "__supertype__", annotation)  # of a `NewType`
    origin, arguments = get_origin(annotation), [each for each in get_args(annotation) if each is not NoneType]
    if origin is Annotated or (origin in (Union, UnionType) and len(arguments) == 1):
        return has_one_type(arguments[0])
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return len({type(member.value) for member in annotation}) == 1
    return annotation in _ALONE


def formatted(value: Any, specification: str) -> str:
    """Return the form of a value in a key, in a format of the user."""
    return _quoted(format(value if isinstance(value, float) else plain(value), specification))


def text_of_query(annotation: Any, others: Sequence[Any]) -> Read | None:
    """Return how a field of a query is read, given the annotations of the fields of events in the same place.

    A text is refused if these fields would write its value in another way, such as "1.50" for a Decimal.
    """
    adapters = [adapter for other in others if (adapter := _adapter(other, annotation)) is not None]

    def read(value: Any) -> Any:
        if type(value) is str:
            for adapter in adapters:
                if percent_encoded(_converted(adapter, value)) != _quoted(value):
                    raise Ambiguous(f"keys of events contain another form of {value!r:.100}")
        return value

    return read if adapters else None


def value_of_event(annotation: Any, query: Any) -> Read | None:
    """Return how a field of an event is read: as a value of the query's field in the same place, if it fits."""
    adapter = _adapter(query, annotation)
    return None if adapter is None else lambda value: _converted(adapter, value)


def _adapter(wanted: Any, annotation: Any) -> TypeAdapter[Any] | None:
    """Return the adapter of an annotation, or None if there is nothing to convert, or no way to."""
    if wanted in (annotation, Any):
        return None
    try:
        return TypeAdapter(wanted)
    except PydanticUserError:  # a type that only the configuration of its message allows
        return None


def _converted(adapter: TypeAdapter[Any], value: Any) -> Any:
    try:
        return adapter.validate_python(value)
    except (ValidationError, ArithmeticError):
        return value


def _quoted(text: str) -> str:
    return quote(text, safe="", errors="surrogatepass")
