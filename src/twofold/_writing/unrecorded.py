"""Changes of event-sourced aggregates that no event records, and that the next load would lose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from inspect import getattr_static
from typing import Any

from .._definitions.aggregate import Aggregate
from .._definitions.message import Event
from .._definitions.names import annotated as annotated_of
from ..errors import NotRecorded
from .tracked import Tracked


def check_recorded(tracked: Tracked, events: Sequence[Event]) -> None:
    """Compare an aggregate with the state that its events produce."""
    aggregate = tracked.aggregate
    replayed = type(aggregate).replay()
    if tracked.version:
        if tracked.loaded is None:
            return
        vars(replayed).update(tracked.loaded)
    for event in events:
        replayed._apply(event)
    found, expected = _state(aggregate), _state(replayed)
    for name in found.keys() | expected.keys():
        if name not in found or name not in expected or not _is_same(found[name], expected[name]):
            raise NotRecorded(
                f"cannot save {tracked.stream}: the attribute {name!r} differs from the value that its events give. "
                f"{type(aggregate).__name__} is event sourced, so the change would be lost when it is loaded again. Nothing "
                f"was written. Record an event, and set {name!r} in the method marked with @on for that event, from the "
                "fields of the event alone."
            )


def _state(aggregate: Aggregate) -> dict[str, Any]:
    kind = type(aggregate)
    annotated = _annotated(kind.__mro__)
    return {
        name: value
        for name, value in vars(aggregate).items()
        if name in annotated
        or not (name.startswith("_") or isinstance(getattr_static(kind, name, None), cached_property))
    }


@cache
def _annotated(classes: tuple[type[Any], ...]) -> frozenset[str]:
    return frozenset(name for base in classes for name in annotated_of(base))


def _is_same(one: Any, other: Any) -> bool:
    """Return whether two values are the same state, down to the attributes of objects that cannot be compared otherwise."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(_is_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_is_same, one, other))
    if getattr(type(one), "__eq__", None) is object.__eq__:
        return _is_same(getattr(one, "__dict__", None), getattr(other, "__dict__", None))
    return bool(one == other) or (one != one and other != other)  # NaN
