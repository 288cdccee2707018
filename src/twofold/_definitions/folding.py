"""Objects whose methods, marked with `on`, apply events: aggregates and decision models."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from functools import cache
from typing import Any, TypeVar

from ..errors import InvalidDefinition
from .message import Event
from .on import marked_methods
from .subclasses import most_specific

M = TypeVar("M")


def appliers_of(cls: type[Any], kind: str) -> dict[type[Event], str]:
    """Return the names of the methods that apply events, by the class of the event.

    Args:
        cls: the class.
        kind: the word for the class in error texts: "aggregate", for example.

    Raises:
        InvalidDefinition: a method is async, or two methods take the same event.
    """
    appliers: dict[type[Event], str] = {}
    for event_type, method, function in marked_methods(cls):
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise InvalidDefinition(
                f"cannot apply events by {cls.__qualname__}.{method}: it is async, and would never be awaited. Write "
                "`def`, and await in the handler, before the event is recorded."
            )
        other = appliers.setdefault(event_type, method)
        if other != method:
            raise InvalidDefinition(
                f"the {kind} {cls.__qualname__} has two methods on {event_type.__name__}: {other} and {method}. Keep one."
            )
    return appliers


def apply(instance: object, event: Event, appliers: dict[type[Event], str]) -> None:
    """Apply an event by the most specific method. An event without a method changes nothing.

    Raises:
        InvalidDefinition: the method returns an awaitable.
    """
    method = appliers.get(type(event)) or most_specific(type(event), appliers)
    result = None if method is None else getattr(instance, method)(event)
    if inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()  # otherwise Python warns of it as well
        raise InvalidDefinition(
            f"cannot apply {type(event).__name__} by {type(instance).__qualname__}.{method}: it returns an awaitable, which "
            "would never be awaited. Write `def`, and await in the handler, before the event is recorded."
        )


def fold(model: M, events: Iterable[Event]) -> M:
    """Apply events to a decision model, in order, and return the model.

        class Seats:
            taken = 0

            @on(SeatTaken)
            def _taken(self, event: SeatTaken) -> None:
                self.taken += 1

        seats = fold(Seats(), await boundary.read(select(SeatTaken, course_id=command.course_id)))

    Args:
        model: an object of a class whose methods are marked with `on`. The methods are not async.
        events: the events. An event without a method changes nothing.

    Raises:
        InvalidDefinition: no method is marked with `on`, a method is async, or two methods take the same event.
    """
    kind: Any = type(model)
    appliers = _appliers_of(kind)
    if not appliers:
        raise InvalidDefinition(
            f"cannot fold events into {type(model).__qualname__}: it has no method for an event. Mark methods with "
            "@on(SomeEvent)."
        )
    for event in events:
        apply(model, event, appliers)
    return model


@cache
def _appliers_of(cls: type[Any]) -> dict[type[Event], str]:
    return appliers_of(cls, "decision model")
