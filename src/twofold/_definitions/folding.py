"""Decision models: objects whose methods, marked with `on`, apply the events of a boundary."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, TypeVar

from ..errors import InvalidDefinition
from .aggregate import appliers_of, apply
from .message import Event

M = TypeVar("M")


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
