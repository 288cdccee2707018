"""`on`, the decorator of methods that take an event."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple, ParamSpec, Protocol, TypeVar, overload

from ..errors import InvalidDefinition
from .message import Event

MARK: Final = "__twofold_on__"
BY: Final = "__twofold_by__"

E1 = TypeVar("E1", bound=Event)
E2 = TypeVar("E2", bound=Event)
E3 = TypeVar("E3", bound=Event)
E4 = TypeVar("E4", bound=Event)
E5 = TypeVar("E5", bound=Event)
E6 = TypeVar("E6", bound=Event)
M_contra = TypeVar("M_contra", contravariant=True)
M_co = TypeVar("M_co", covariant=True)
T_co = TypeVar("T_co", covariant=True)
P = ParamSpec("P")
Rest = ParamSpec("Rest")
T = TypeVar("T")


# The second overload keeps pyright from seeing that M is contravariant.
class MarkedMethod(Protocol[M_contra, Rest, P, T_co]):  # pyright: ignore[reportInvalidTypeVarUse]
    """A method that takes a message, and is exactly `(P) -> T`: an argument must match both overloads. `Rest` is `...`."""

    @overload
    def __call__(self, instance: Any, message: M_contra, /, *args: Rest.args, **kwargs: Rest.kwargs) -> object: ...
    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T_co: ...


class Marker(Protocol[M_co]):
    """A decorator that returns the method of a message unchanged."""

    def __call__(self, method: MarkedMethod[M_co, ..., P, T], /) -> Callable[P, T]: ...


@overload
def on(e1: type[E1], /, *, by: str | None = None) -> Marker[E1]: ...
@overload
def on(e1: type[E1], e2: type[E2], /, *, by: str | None = None) -> Marker[E1 | E2]: ...
@overload
def on(e1: type[E1], e2: type[E2], e3: type[E3], /, *, by: str | None = None) -> Marker[E1 | E2 | E3]: ...
@overload
def on(
    e1: type[E1], e2: type[E2], e3: type[E3], e4: type[E4], /, *, by: str | None = None
) -> Marker[E1 | E2 | E3 | E4]: ...
@overload
def on(
    e1: type[E1], e2: type[E2], e3: type[E3], e4: type[E4], e5: type[E5], /, *, by: str | None = None
) -> Marker[E1 | E2 | E3 | E4 | E5]: ...
@overload
def on(
    e1: type[E1], e2: type[E2], e3: type[E3], e4: type[E4], e5: type[E5], e6: type[E6], /, *, by: str | None = None
) -> Marker[E1 | E2 | E3 | E4 | E5 | E6]: ...
@overload
def on(*event_types: type[Event], by: str | None = None) -> Marker[Any]: ...
def on(*event_types: type[Event], by: str | None = None) -> Any:
    """Mark the method of a projection, an aggregate or a process that takes events of these types.

        @on(OrderPlaced)
        async def placed(self, event: OrderPlaced) -> None: ...

    The method is returned unchanged. A class has one method for an event type. A method on a base class takes the events of
    every subclass for which there is no method on a nearer class: an event is taken by one method, the most specific one.

    Args:
        event_types: the event classes, or base classes of events.
        by: the field of the events that has the key of the process, if it has another name. Only in a process.

    Raises:
        InvalidDefinition: there is no argument, or an argument is not a class of events.
    """
    given: tuple[object, ...] = event_types
    wrong = [each for each in given if not (inspect.isclass(each) and issubclass(each, Event))]
    if wrong or not given:
        raise InvalidDefinition(
            f"cannot use @on with {repr(wrong[0])[:100] if wrong else 'no argument'}: pass the classes of events. "
            "Write @on(SomeEvent) above the method."
        )

    def mark(method: Any) -> Any:
        setattr(method, MARK, (*getattr(method, MARK, ()), *event_types))
        if by is not None:
            setattr(method, BY, {**getattr(method, BY, {}), **dict.fromkeys(event_types, by)})
        return method

    return mark


class EventMethod(NamedTuple):
    """A method that is marked with `on`: its event type, its name, its function, and the field with the key of a process."""

    event: type[Event]
    name: str
    function: Callable[..., Any]
    by: str | None = None


def marked_methods(cls: object) -> Iterator[EventMethod]:
    """Yield the methods of a class and its bases that are marked with `on`, once for each event type.

    An object that is not a class has none.
    """
    names = dict.fromkeys(name for base in reversed(getattr(cls, "__mro__", ())) for name in vars(base))
    for name in names:
        function: Any = getattr(cls, name, None)
        for event_type in getattr(function, MARK, ()):
            yield EventMethod(event_type, name, function, getattr(function, BY, {}).get(event_type))
