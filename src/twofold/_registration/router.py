"""Routers, which collect handlers."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Literal, Required, TypedDict, TypeVar, Unpack, overload

from .._background.shown import shown_option
from .._buses.chain import EnvelopeMiddleware, Middleware
from .._buses.decorators import CommandRegistration, EventRegistration, QueryRegistration, check_events, check_message
from .._definitions.cache import Cache
from .._definitions.message import Command, Event, Message, Query
from .._definitions.names import wrong_label
from .._definitions.on import E1, E2, E3, E4, E5, E6, marked_methods
from .._definitions.retry import Mode, Retry, Start
from .._encoding.wire_types import Fields
from ..errors import ConfigurationError, InvalidDefinition
from .entries import (
    CommandEntry,
    EventHandlerEntry,
    Expectation,
    MiddlewareEntry,
    ProjectionEntry,
    QueryEntry,
    UpcasterEntry,
    origin,
)
from .integration import Integration
from .places import calling_frame, here, place_of
from .query_options import check_query_options

C = TypeVar("C", bound=Command[Any])
Q = TypeVar("Q", bound=Query[Any])
T = TypeVar("T", bound=type[Any])
F = TypeVar("F", bound=Callable[[Fields], Fields])


class EventHandlerOptions(TypedDict, total=False):
    """The keyword arguments of `Router.event_handler`, which its overloads share."""

    name: Required[str]
    start: Start
    partition_by: str | None
    retry: Retry
    partitions: int


class Router(Integration):
    """Collect handlers, projections and event handlers, to include them in an application.

        billing = Router("billing")

        @billing.command_handler(SendInvoice)
        async def send_invoice(command: SendInvoice, invoices: Repository[Invoice]) -> None: ...

        app.include(billing)

    A decorator returns its function or class unchanged, so that a test can call a handler directly. Nothing is checked
    here: the application checks everything when it starts.

    Args:
        name: the name in error messages.

    Raises:
        ConfigurationError: the name is not valid.
    """

    def __init__(self, name: str) -> None:
        if wrong := wrong_label(name):
            raise ConfigurationError(f"{type(self).__name__}({shown_option(name)}): this name is not valid. {wrong}.")
        super().__init__(name)

    def command_handler(self, command_type: type[C], *, key: str | None = None) -> CommandRegistration[C]:
        """Register the handler of a command: a function or a class with `__call__`, async or sync.

        A command has one handler. Its first parameter is the command, and further parameters are injected. A sync handler
        runs in a worker thread.

        Args:
            command_type: the command class.
            key: a field of the command. In this process, commands with equal values are handled one after another.
        """
        check_message("command_handler", command_type, Command)
        frame = calling_frame(1)

        def register(handler: Any) -> None:
            self._registered.open.commands.append(CommandEntry(**origin(handler, frame), message=command_type, key=key))

        return CommandRegistration(register)

    @overload
    def query_handler(
        self, query_type: type[Q], *, reads: str | tuple[str, ...] = (), cache: Cache | None = None
    ) -> QueryRegistration[Q]: ...
    @overload
    def query_handler(
        self, query_type: type[Q], *, many: Literal[True], name: str, reads: str | tuple[str, ...] = ()
    ) -> QueryRegistration[Q]: ...
    def query_handler(
        self,
        query_type: type[Q],
        *,
        reads: str | tuple[str, ...] = (),
        cache: Cache | None = None,
        many: bool = False,
        name: str | None = None,
    ) -> QueryRegistration[Q]:
        """Register the handler of a query: as for a command, or an async generator for a streaming query.

        Args:
            query_type: the query class.
            reads: names of further projections that a session waits for. It always waits for the projections that write the
                read models of the handler.
            cache: caching options, for an application with a cache.
            many: whether the query has several handlers, whose answers `Session.gather` returns.
            name: the name of this handler's answers, with `many=True`.
        """
        check_message("query_handler", query_type, Query)
        check_query_options(query_type, many=many, name=name, cache=cache)
        frame = calling_frame(1)
        names_read = (reads,) if isinstance(reads, str) else tuple(reads)

        def register(handler: Any) -> None:
            self._registered.open.queries.append(
                QueryEntry(**origin(handler, frame), message=query_type, reads=names_read, cache=cache, answerer=name)
            )

        return QueryRegistration(register)

    @overload
    def event_handler(self, e1: type[E1], /, **options: Unpack[EventHandlerOptions]) -> EventRegistration[E1]: ...
    @overload
    def event_handler(
        self, e1: type[E1], e2: type[E2], /, **options: Unpack[EventHandlerOptions]
    ) -> EventRegistration[E1 | E2]: ...
    @overload
    def event_handler(
        self, e1: type[E1], e2: type[E2], e3: type[E3], /, **options: Unpack[EventHandlerOptions]
    ) -> EventRegistration[E1 | E2 | E3]: ...
    @overload
    def event_handler(
        self, e1: type[E1], e2: type[E2], e3: type[E3], e4: type[E4], /, **options: Unpack[EventHandlerOptions]
    ) -> EventRegistration[E1 | E2 | E3 | E4]: ...
    @overload
    def event_handler(
        self,
        e1: type[E1],
        e2: type[E2],
        e3: type[E3],
        e4: type[E4],
        e5: type[E5],
        /,
        **options: Unpack[EventHandlerOptions],
    ) -> EventRegistration[E1 | E2 | E3 | E4 | E5]: ...
    @overload
    def event_handler(
        self,
        e1: type[E1],
        e2: type[E2],
        e3: type[E3],
        e4: type[E4],
        e5: type[E5],
        e6: type[E6],
        /,
        **options: Unpack[EventHandlerOptions],
    ) -> EventRegistration[E1 | E2 | E3 | E4 | E5 | E6]: ...
    @overload
    def event_handler(
        self, *event_types: type[Event], **options: Unpack[EventHandlerOptions]
    ) -> EventRegistration[Any]: ...
    def event_handler(
        self,
        *event_types: type[Event],
        name: str = "",
        start: Start = "now",
        partition_by: str | None = None,
        retry: Retry = Retry(),
        partitions: int = 1,
    ) -> EventRegistration[Any]:
        """Register an asynchronous event handler, for side effects. It handles every event at least once.

        A rebuild never repeats it: no event below its checkpoint is handled again.

        A handler of a base class receives the events of every subclass that is defined when the application starts. An event
        of a subclass that is defined later is not recorded (`ConfigurationError`). A handler of `Event` receives all events
        of the log. It parks an event whose type the application has no class for.

        Args:
            event_types: the event classes, or base classes of events.
            name: the stable name of the checkpoint. A new name starts a new subscription.
            start: where a new subscription starts: "now" (with the next event), "beginning", or a position.
            partition_by: the event field by which events are ordered. By default, the stream of the event.
            retry: the attempts and delays for a failing event, before it is parked. Other keys continue in the meantime.
            partitions: the number of partitions by that field, so that several processes can share the work.
        """
        check_events("event_handler", event_types, name)
        frame = calling_frame(1)

        def register(handler: Any) -> None:
            self._registered.open.event_handlers.append(
                EventHandlerEntry(
                    **origin(handler, frame), name=name, events=event_types, start=start, partition_by=partition_by,
                    retry=retry, partitions=partitions,
                )
            )  # fmt: skip

        return EventRegistration(register)

    def projection(
        self,
        name: str,
        *,
        mode: Mode = "async",
        partition_by: str | None = None,
        retry: Retry = Retry(),
        partitions: int = 1,
    ) -> Callable[[T], T]:
        """Register a projection: a class with read models in its `__init__`, and methods that are marked with `on`.

        Args:
            name: the stable name of the checkpoint.
            mode: "async" updates the rows after the commit, by a subscription. "inline" updates them in the
                transaction of the command, for which the read store and the write store must be the same.
            partition_by: the event field by which events are ordered. By default, the stream of the event.
            retry: the attempts and delays for a failing event, before it is parked. Other keys continue in the meantime.
            partitions: the number of partitions by that field, so that several processes can share the work.
        """
        if wrong := wrong_label(name):
            raise InvalidDefinition(
                f"cannot use @projection with the name {shown_option(name)}. {wrong}. "
                "Write @projection('order_view') above the class."
            )
        frame = calling_frame(1)

        def register(cls: T) -> T:
            methods = tuple(marked_methods(cls))
            self._registered.open.projections.append(
                ProjectionEntry(
                    **origin(cls, frame), name=name, methods=methods, mode=mode, partition_by=partition_by,
                    retry=retry, partitions=partitions,
                )
            )  # fmt: skip
            return cls

        return register

    def upcaster(self, name: str, *, from_version: int) -> Callable[[F], F]:
        """Register an upcaster: a function that takes the stored fields of one version of an event, and returns the next.

        Args:
            name: the wire name of the event.
            from_version: the version of its argument. The result has version `from_version + 1`.
        """
        frame = calling_frame(1)

        def register(function: F) -> F:
            self._registered.open.upcasters.append(
                UpcasterEntry(**origin(function, frame), name=name, from_version=from_version)
            )
            return function

        return register

    def use(
        self, middleware: Middleware | EnvelopeMiddleware, *, on: type[Message] = Message, inside: bool = False
    ) -> None:
        """Run a middleware around messages. The first middleware is outermost.

        Args:
            middleware: an async function that takes (message, call_next), or (message, call_next, envelope).
            on: the class of messages to which it applies, with its subclasses. For events, it runs around event handlers.
            inside: whether it runs inside the unit of work of a command, and commits its own events with the command.
        """
        place = here(calling_frame(1))
        self._registered.open.middleware.append(
            MiddlewareEntry(middleware=middleware, on=on, inside=inside, place=place)
        )

    def expects(self, *messages: type[Message]) -> None:
        """Require a handler for these commands and queries when the application starts."""
        place = here(calling_frame(1))
        self._registered.open.expected.extend(Expectation(message, place_of(message, place)) for message in messages)

    def include(self, module: Router) -> None:
        """Add all handlers of another router, including those that it registers later, until the application starts.

        Raises:
            ConfigurationError: the argument is not a `Router`.
        """
        if not isinstance(module, Router):
            advice = "Give the Router that is defined in it" if inspect.ismodule(module) else "Give a Router"
            raise ConfigurationError(
                f"cannot include {shown_option(module)} in {self.name!r}: it holds no handlers. {advice}, such as billing "
                "in `billing = Router('billing')`."
            )
        self._registered.open.add(module._registered)
