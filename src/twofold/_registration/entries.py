"""What the decorators of a `Router` write down; nothing is interpreted until the application starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .._buses.chain import Middleware
from .._definitions.cache import Cache
from .._definitions.message import Command, Event, Message, Query
from .._definitions.retry import Mode, Retry, Start
from .._encoding.wire_types import Upcaster
from .places import Place


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Entry:
    """A handler as it was registered.

    Attributes:
        handler: the user's function or class, unchanged.
        place: where it is defined.
        names: the local names at its definition, to resolve annotations with.
    """

    handler: Any
    place: Place
    names: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def label(self) -> str:
        """What the handler is called in messages."""
        return getattr(self.handler, "__qualname__", None) or type(self.handler).__qualname__


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CommandEntry(Entry):
    message: type[Command[Any]]
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class QueryEntry(Entry):
    message: type[Query[Any]]
    reads: tuple[str, ...] = ()
    cache: Cache | None = None


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
    mode: Mode = "async"
    partition_by: str | None = None
    retry: Retry = Retry()
    partitions: int = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RelayEntry:
    """Events that are published through the broker."""

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
        """What it is called in messages."""
        return f"the relay {self.name!r}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConsumeEntry:
    """Events of another application that are received through the broker."""

    source: str
    events: tuple[type[Event], ...]
    place: Place
    consumer: str | None = None
    partitions: int = 1
    start: Literal["now", "beginning"] = "now"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ServeEntry:
    """Commands and queries that other processes may send."""

    messages: tuple[type[Message], ...]
    place: Place
    partitions: int = 1


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
    """A middleware with the messages it applies to.

    Attributes:
        middleware: the user's async function.
        on: the message class whose subclasses it applies to.
        inside: whether it runs inside the unit of work.
        place: where that was said.
    """

    middleware: Middleware
    on: type[Any]
    place: Place
    inside: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Expectation:
    """A message that must have a handler, and where that was said."""

    message: type[Any]
    place: Place
