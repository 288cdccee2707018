"""The event bus."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any, overload

from .._background.calls import coroutine_function
from .._definitions.message import Event
from .._definitions.on import E1, E2, E3, E4, E5, E6
from ..errors import HandlersFailed
from .callables import standalone
from .chain import Middleware, checked, compose
from .decorators import EventRegistration
from .no_handler import Handle


class EventBus:
    """Publish events to their handlers, in this process and immediately. A bus also works without an application.

        events = EventBus()

        @events.handler(OrderPlaced)
        async def send_mail(event: OrderPlaced) -> None: ...

        await events.publish(OrderPlaced(...))

    In an application, a parameter of this type *records* events instead. They are committed with the command, and reach
    their subscriptions only through the event log.

    Args:
        middleware: functions that run around every handler, the first one outermost.
    """

    def __init__(self, *, middleware: Sequence[Middleware] = ()) -> None:
        self._handlers: list[tuple[tuple[type[Event], ...], Handle]] = []
        self._routes: dict[type[Event], Handle] = {}
        self._middleware = checked(middleware)

    @overload
    def handler(self, e1: type[E1], /) -> EventRegistration[E1]: ...
    @overload
    def handler(self, e1: type[E1], e2: type[E2], /) -> EventRegistration[E1 | E2]: ...
    @overload
    def handler(self, e1: type[E1], e2: type[E2], e3: type[E3], /) -> EventRegistration[E1 | E2 | E3]: ...
    @overload
    def handler(
        self, e1: type[E1], e2: type[E2], e3: type[E3], e4: type[E4], /
    ) -> EventRegistration[E1 | E2 | E3 | E4]: ...
    @overload
    def handler(
        self, e1: type[E1], e2: type[E2], e3: type[E3], e4: type[E4], e5: type[E5], /
    ) -> EventRegistration[E1 | E2 | E3 | E4 | E5]: ...
    @overload
    def handler(
        self, e1: type[E1], e2: type[E2], e3: type[E3], e4: type[E4], e5: type[E5], e6: type[E6], /
    ) -> EventRegistration[E1 | E2 | E3 | E4 | E5 | E6]: ...
    @overload
    def handler(self, *event_types: type[Event]) -> EventRegistration[Any]: ...
    def handler(self, *event_types: type[Event]) -> EventRegistration[Any]:
        """Return a decorator that registers a handler of events of these types, and returns it unchanged.

        A handler of a base class handles the events of every subclass. A handler of `Event` handles all events.
        """

        def register(handler: Any) -> None:
            self._handlers.append((event_types, compose(self._middleware, standalone(handler))))
            self._routes.clear()

        return EventRegistration(register)

    @coroutine_function
    def publish(self, event: Event) -> Coroutine[Any, Any, None]:
        """Call every handler of the event, in the order of registration. Return when all of them have finished.

        If a handler fails, the next handlers are called all the same. An event without a handler is ignored. Cancellation
        stops the current handler, and no further handler is called.

        Raises:
            HandlersFailed: at least one handler failed. The error is an exception group with the errors of all of them.
        """
        try:
            handle = self._routes[type(event)]
        except KeyError:
            handle = self._route(type(event))
        return handle(event)

    def _route(self, event_type: type[Event]) -> Handle:
        """Return what calls the handlers of a class of events, and remember it until another handler is registered."""
        found = [handle for event_types, handle in self._handlers if issubclass(event_type, event_types)]
        self._routes[event_type] = handle = _calling(found)
        return handle


def _calling(handlers: Sequence[Handle]) -> Handle:
    """Return a callable that calls handlers one after another, and raises all of their errors together."""

    async def publish(event: Event) -> None:
        failures: list[Exception] | None = None
        for handle in handlers:
            try:
                await handle(event)
            except Exception as failure:  # noqa: BLE001 -- all failures are raised together below
                failures = failures or []
                failures.append(failure)
        if failures:
            name = type(event).__name__
            raise HandlersFailed(f"{len(failures)} of {len(handlers)} handler(s) of {name} failed", failures)

    return publish
