"""The event bus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

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
        self._handlers: dict[type[Event], list[Handle]] = {}
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
        """Return a decorator that registers a handler of events of exactly these types, and returns it unchanged."""

        def register(handler: Any) -> None:
            handle: Handle = compose(self._middleware, standalone(handler))
            for event_type in event_types:
                self._handlers.setdefault(event_type, []).append(handle)

        return EventRegistration(register)

    async def publish(self, event: Event) -> None:
        """Call every handler of the event, in the order of registration. Return when all of them have finished.

        If a handler fails, the next handlers are called all the same. An event without a handler is ignored. Cancellation
        stops the current handler, and no further handler is called.

        Raises:
            HandlersFailed: at least one handler failed. The error is an exception group with the errors of all of them.
        """
        failures: list[Exception] = []
        for handle in self._handlers.get(type(event), ()):
            try:
                await handle(event)
            except Exception as failure:  # noqa: BLE001 -- all failures are raised together below
                failures.append(failure)
        if failures:
            handlers = len(self._handlers[type(event)])
            raise HandlersFailed(f"{len(failures)} of {handlers} handler(s) of {type(event).__name__} failed", failures)
