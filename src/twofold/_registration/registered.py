"""Everything that the decorators and calls of one router have registered."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from .entries import (
    CommandEntry,
    ConsumeEntry,
    EventHandlerEntry,
    Expectation,
    MiddlewareEntry,
    ProjectionEntry,
    QueryEntry,
    RelayEntry,
    ServeEntry,
    UpcasterEntry,
)


@dataclass(slots=True)
class Registered:
    """The entries of a router, in the order of their registration.

    Attributes:
        name: the name of the router.
    """

    name: str
    commands: list[CommandEntry] = field(default_factory=list)
    queries: list[QueryEntry] = field(default_factory=list)
    event_handlers: list[EventHandlerEntry] = field(default_factory=list)
    projections: list[ProjectionEntry] = field(default_factory=list)
    relays: list[RelayEntry] = field(default_factory=list)
    consumed: list[ConsumeEntry] = field(default_factory=list)
    served: list[ServeEntry] = field(default_factory=list)
    upcasters: list[UpcasterEntry] = field(default_factory=list)
    middleware: list[MiddlewareEntry] = field(default_factory=list)
    expected: list[Expectation] = field(default_factory=list)

    def add(self, other: Registered) -> None:
        """Add the entries of another router that are not here yet."""
        for entries in fields(self)[1:]:
            mine = getattr(self, entries.name)
            known = {id(each) for each in mine}
            mine.extend(each for each in getattr(other, entries.name) if id(each) not in known)
