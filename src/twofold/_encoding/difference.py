"""Strict comparison of a value with the value that comes back from JSON: classes and representations count.

There are three exceptions. A time zone comes back as its fixed offset, an int in a field of floats comes back as the equal
float, and a driver's subclass of UUID comes back as a UUID.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime, time
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple, TypeAlias, cast
from uuid import UUID

from pydantic import BaseModel

Path: TypeAlias = tuple[Any, ...]
"""The names, indexes and keys that lead to a part of a value."""

_ABSENT: Any = object()
"""The counterpart of a part that does not come back."""


class Difference(NamedTuple):
    """A part of a value that comes back changed.

    Attributes:
        path: leads to the part.
        value: the part.
        again: the part that comes back.
    """

    path: Path
    value: Any
    again: Any


def difference(value: Any, again: Any, path: Path = ()) -> Difference | None:
    """Return the first part of a value that comes back changed, or None."""
    if value is again:
        return None
    kind: Any = type(value)
    if kind is not type(again):
        return None if _stands_for(again, value) else Difference(path, value, again)
    parts_of = _parts_of(cast(Any, kind))
    if parts_of is None:
        return None if _same(value, again) else Difference(path, value, again)
    for step, part, counterpart in parts_of(value, again):
        if part is counterpart:
            continue
        if part is _ABSENT or counterpart is _ABSENT:
            return Difference(path, value, again)
        found = difference(part, counterpart, (*path, step))
        if found is not None:
            return found
    return None


def _same(value: Any, again: Any) -> bool:
    """Return whether two values of one class, which have no parts, are the same."""
    match value:
        case str() | int():
            return bool(value == again)
        case float():  # -0.0 is not 0.0, and NaN is NaN
            return repr(value) == repr(again)
        case Decimal():  # 9.90 is not 9.9
            return str(value) == str(again)
        case datetime() | time():
            return _moment(value) == _moment(again)
    return bool(value == again)


def _stands_for(again: Any, value: Any) -> bool:
    """Return whether a value of another class is accepted in place of a value."""
    match again:
        case float():
            return type(value) is int and value == again
        case UUID():
            return type(again) is UUID and isinstance(value, UUID) and value.int == again.int
    return False


def _moment(value: Any) -> object:
    """Return the wall clock and the offset of a time. Without an offset, `fold` is a part of the wall clock."""
    offset = value.utcoffset()
    if offset is not None:
        return value.replace(tzinfo=None, fold=0), offset
    return value.replace(tzinfo=None, fold=0), value.fold, value.tzinfo


@cache
def _parts_of(kind: type[Any]) -> Callable[[Any, Any], Iterator[tuple[Any, Any, Any]]] | None:
    """Return the function that yields the parts of two values of a class side by side; None if it has no parts."""
    if issubclass(kind, BaseModel):
        return _of_model
    for base, parts in (
        (Mapping, _of_mapping),
        (list, _of_sequence),
        (tuple, _of_sequence),
        (deque, _of_deque),
        (AbstractSet, _of_set),
    ):
        if issubclass(kind, base):
            return parts
    return _of_dataclass if dataclasses.is_dataclass(kind) else None


def _of_model(value: BaseModel, again: BaseModel) -> Iterator[tuple[Any, Any, Any]]:
    for name in type(value).model_fields:
        yield name, value.__dict__.get(name, _ABSENT), again.__dict__.get(name, _ABSENT)
    for mine, other in (
        (value.__pydantic_extra__, again.__pydantic_extra__),
        (value.__pydantic_private__, again.__pydantic_private__),
    ):
        if mine or other:
            yield from _of_mapping(mine or {}, other or {})


def _of_dataclass(value: Any, again: Any) -> Iterator[tuple[Any, Any, Any]]:
    for field in dataclasses.fields(value):
        yield field.name, getattr(value, field.name, _ABSENT), getattr(again, field.name, _ABSENT)


def _of_mapping(value: Mapping[Any, Any], again: Mapping[Any, Any]) -> Iterator[tuple[Any, Any, Any]]:
    if len(value) != len(again):
        yield None, value, _ABSENT
    for (key, item), (other, counterpart) in zip(value.items(), again.items(), strict=False):
        if difference(key, other) is not None:
            yield None, key, _ABSENT
        yield key, item, counterpart


def _of_sequence(value: Any, again: Any) -> Iterator[tuple[Any, Any, Any]]:
    if len(value) != len(again):
        yield None, value, _ABSENT
    for index, (item, counterpart) in enumerate(zip(value, again, strict=False)):
        yield index, item, counterpart


def _of_deque(value: deque[Any], again: deque[Any]) -> Iterator[tuple[Any, Any, Any]]:
    if value.maxlen != again.maxlen:
        yield None, value, _ABSENT
    yield from _of_sequence(value, again)


def _of_set(value: AbstractSet[Any], again: AbstractSet[Any]) -> Iterator[tuple[Any, Any, Any]]:
    found = {each: each for each in again}
    if len(value) != len(found):
        yield None, value, _ABSENT
    for item in value:
        yield item, item, found.get(item, _ABSENT)
