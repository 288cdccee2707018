"""Base classes of events: a handler that is registered for a base class receives the events of every subclass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from .message import Event

T = TypeVar("T")


def stored_types(event_type: type[Event]) -> tuple[type[Event], ...]:
    """Return an event class and all of its subclasses that exist now, as far as they have a stable name.

    Classes without a stable name, such as abstract base classes and generic classes with arguments, are never stored.
    """
    return tuple(each for each in dict.fromkeys(_family(event_type)) if each.message_name is not None)


def stored_names(event_types: Iterable[type[Event]]) -> frozenset[str] | None:
    """Return the wire names of the events that handlers of these classes receive; None for all events of the log."""
    given = tuple(event_types)
    if Event in given:
        return None
    return frozenset(str(each.message_name) for base in given for each in stored_types(base))


def is_handled(names: frozenset[str] | None, event_type: type[Event]) -> bool:
    """Return whether an event is one of those that `stored_names` returned."""
    return event_type.message_name is not None and (names is None or event_type.message_name in names)


def most_specific(event_type: type[Event], registered: Mapping[type[Event], T]) -> T | None:
    """Return what is registered for a class of events, or else for the first of its base classes in the order of its MRO."""
    for cls in event_type.__mro__:
        if cls in registered:
            return registered[cls]
    return None


def _family(event_type: type[Event]) -> Iterator[type[Event]]:
    yield event_type
    for subclass in event_type.__subclasses__():
        yield from _family(subclass)
