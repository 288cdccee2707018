"""Mark the methods that take an event."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

from ..errors import InvalidDefinition
from .message import Event

_MARK = "__twofold_on__"

E = TypeVar("E", bound=Event)
E2 = TypeVar("E2", bound=Event)
E3 = TypeVar("E3", bound=Event)
S = TypeVar("S")
P = ParamSpec("P")
T = TypeVar("T")


class _Marker(Protocol[E]):
    def __call__(self, method: Callable[Concatenate[S, E, P], T], /) -> Callable[Concatenate[S, E, P], T]: ...


@overload
def on(first: type[E], /) -> _Marker[E]: ...
@overload
def on(first: type[E], second: type[E2], /) -> _Marker[E | E2]: ...
@overload
def on(first: type[E], second: type[E2], third: type[E3], /) -> _Marker[E | E2 | E3]: ...
@overload
def on(*event_types: type[Event]) -> _Marker[Any]: ...
def on(*event_types: type[Event]) -> Any:
    """Mark a method of a projection or an aggregate as the one that takes events of these types.

        @on(OrderPlaced)
        async def placed(self, event: OrderPlaced) -> None: ...

    The method itself is returned unchanged. In a class, one event type belongs to one method.

    Args:
        event_types: the exact event classes; their subclasses are not included.

    Raises:
        InvalidDefinition: it is given no event, or something else than classes of events.
    """
    given: tuple[object, ...] = event_types
    wrong = [each for each in given if not (inspect.isclass(each) and issubclass(each, Event))]
    if wrong or not given:
        raise InvalidDefinition(
            f"cannot use @on so: it takes the classes of events, and was given {repr(wrong[0])[:100] if wrong else 'none'}. "
            "Write @on(SomeEvent) above the method."
        )

    def mark(method: Any) -> Any:
        setattr(method, _MARK, (*getattr(method, _MARK, ()), *event_types))
        return method

    return mark


def marked_methods(cls: type[object]) -> Iterator[tuple[type[Event], str, Callable[..., Any]]]:
    """Yield every (event type, method name, function) that `on` marked in a class or its bases."""
    names = dict.fromkeys(name for base in reversed(cls.__mro__) for name in vars(base))
    for name in names:
        function: Any = getattr(cls, name, None)
        for event_type in getattr(function, _MARK, ()):
            yield event_type, name, function
