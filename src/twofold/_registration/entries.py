"""The entries that the decorators of a `Router` register. Nothing is checked until the application starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import FrameType
from typing import Any, Literal, TypedDict

from .._buses.callables import handler_class, plain_handler
from .._buses.chain import EnvelopeMiddleware, Middleware
from .._definitions.cache import Cache
from .._definitions.message import Command, Event, Message, Query
from .._definitions.on import EventMethod
from .._definitions.process import Process, events_of
from .._definitions.retry import Mode, Retry, Start
from .._encoding.wire_types import Upcaster
from .places import Place, here, local_names, place_of


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Entry:
    """A registered handler.

    Attributes:
        handler: the user's function or class, unchanged.
        label: the name of the handler in error messages.
        place: the place of its definition.
        names: the local names around its definition, for its annotations.
    """

    handler: Any
    label: str
    place: Place
    names: Mapping[str, Any] = field(default_factory=dict, repr=False)


class Origin(TypedDict):
    """The arguments of every `Entry`."""

    handler: Any
    label: str
    place: Place
    names: Mapping[str, Any]


def origin(handler: Any, frame: FrameType) -> Origin:
    """Describe a handler and its place. For a handler inside a function, the description contains the local names."""
    defined = handler_class(handler) or plain_handler(handler)
    while isinstance(defined, partial):
        defined = defined.func
    label: str = getattr(defined, "__qualname__", None) or type(defined).__qualname__
    return Origin(handler=handler, label=label, place=place_of(defined, here(frame)), names=local_names(frame, defined))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CommandEntry(Entry):
    message: type[Command[Any]]
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class QueryEntry(Entry):
    """The handler of a query.

    Attributes:
        answerer: the name of the handler, if the query may have several; None if it has one.
    """

    message: type[Query[Any]]
    reads: tuple[str, ...] = ()
    cache: Cache | None = None
    answerer: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EventHandlerEntry(Entry):
    name: str
    events: tuple[type[Event], ...]
    start: Start = "now"
    partition_by: str | None = None
    retry: Retry = Retry()
    partitions: int = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProjectionEntry(Entry):
    name: str
    methods: Sequence[EventMethod] = ()
    mode: Mode = "async"
    partition_by: str | None = None
    retry: Retry = Retry()
    partitions: int = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProcessEntry(Entry):
    """A process.

    Attributes:
        process: the class.
        remote: the application that serves each command of another application.
    """

    process: type[Process]
    remote: Mapping[type[Command[Any]], str] = field(default_factory=dict)
    start: Start = "now"
    retry: Retry = Retry()
    partitions: int = 1
    partition_by: None = None

    @property
    def name(self) -> str:
        """The name of the process and of its subscription."""
        return self.process.process_name

    @property
    def events(self) -> tuple[type[Event], ...]:
        """The events that it takes."""
        return tuple(events_of(self.process))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RelayEntry:
    """Events that are relayed to other applications."""

    name: str
    events: tuple[type[Event], ...]
    place: Place
    start: Start = "now"
    unroutable: Literal["park", "drop"] = "park"
    partition_by: str | None = None
    retry: Retry = Retry()
    partitions: int = 1

    @property
    def label(self) -> str:
        """The name of the relay in error messages."""
        return f"the relay {self.name!r}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConsumeEntry:
    """Events that are consumed from another application."""

    source: str
    events: tuple[type[Event], ...]
    place: Place
    consumer: str | None = None
    partitions: int = 1
    start: Literal["now", "beginning"] = "now"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ServeEntry:
    """Commands and queries that are served to other processes."""

    messages: tuple[type[Message], ...]
    place: Place
    partitions: int = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AnswererEntry:
    """Another application that answers a query, beside the handlers of this one."""

    message: type[Query[Any]]
    service: str
    name: str
    errors: tuple[type[Exception], ...]
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UpcasterEntry(Entry):
    name: str
    from_version: int

    @property
    def upcaster(self) -> Upcaster:
        upcaster: Upcaster = self.handler
        return upcaster


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MiddlewareEntry:
    """A middleware, and the messages to which it applies.

    Attributes:
        middleware: the user's async function.
        on: the class of messages to which it applies, with its subclasses.
        inside: whether it runs inside the unit of work.
        place: the place of its registration.
    """

    middleware: Middleware | EnvelopeMiddleware
    on: type[Any]
    place: Place
    inside: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Expectation:
    """A message that must have a handler, and the place of that call."""

    message: type[Any]
    place: Place
