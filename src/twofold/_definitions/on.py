"""`on`, the decorator of methods that take an event."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, Protocol, TypeVar, overload

from ..errors import InvalidDefinition
from .message import Event

_MARK = "__twofold_on__"

E1 = TypeVar("E1", bound=Event)
E2 = TypeVar("E2", bound=Event)
E3 = TypeVar("E3", bound=Event)
E4 = TypeVar("E4", bound=Event)
E5 = TypeVar("E5", bound=Event)
E6 = TypeVar("E6", bound=Event)
E_contra = TypeVar("E_contra", bound=Event, contravariant=True)
E_co = TypeVar("E_co", bound=Event, covariant=True)
T_co = TypeVar("T_co", covariant=True)
P = ParamSpec("P")
Rest = ParamSpec("Rest")
T = TypeVar("T")


# The second overload keeps pyright from seeing that E is contravariant.
class _EventMethod(Protocol[E_contra, Rest, P, T_co]):  # pyright: ignore[reportInvalidTypeVarUse]
    """A method that takes an event, and is exactly `(P) -> T`: an argument must match both overloads. `Rest` is `...`."""

    @overload
    def __call__(self, instance: Any, event: E_contra, /, *args: Rest.args, **kwargs: Rest.kwargs) -> object: ...
    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T_co: ...


class _Marker(Protocol[E_co]):
    def __call__(self, method: _EventMethod[E_co, ..., P, T], /) -> Callable[P, T]: ...


@overload
def on(e1: type[E1], /) -> _Marker[E1]: ...
@overload
def on(e1: type[E1], e2: type[E2], /) -> _Marker[E1 | E2]: ...
@overload
def on(e1: type[E1], e2: type[E2], e3: type[E3], /) -> _Marker[E1 | E2 | E3]: ...
@overload
def on(e1: type[E1], e2: type[E2], e3: type[E3], e4: type[E4], /) -> _Marker[E1 | E2 | E3 | E4]: ...
@overload
def on(e1: type[E1], e2: type[E2], e3: type[E3], e4: type[E4], e5: type[E5], /) -> _Marker[E1 | E2 | E3 | E4 | E5]: ...
@overload
def on(
    e1: type[E1], e2: type[E2], e3: type[E3], e4: type[E4], e5: type[E5], e6: type[E6], /
) -> _Marker[E1 | E2 | E3 | E4 | E5 | E6]: ...
@overload
def on(*event_types: type[Event]) -> _Marker[Any]: ...
def on(*event_types: type[Event]) -> Any:
    """Mark the method of a projection or an aggregate that takes events of these types.

        @on(OrderPlaced)
        async def placed(self, event: OrderPlaced) -> None: ...

    The method is returned unchanged. A class has one method for an event type.

    Args:
        event_types: the exact event classes. Their subclasses are not included.

    Raises:
        InvalidDefinition: there is no argument, or an argument is not a class of events.
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
    """Yield (event type, method name, function) of every method of a class and its bases that is marked with `on`."""
    names = dict.fromkeys(name for base in reversed(cls.__mro__) for name in vars(base))
    for name in names:
        function: Any = getattr(cls, name, None)
        for event_type in getattr(function, _MARK, ()):
            yield event_type, name, function
