"""Everything that the decorators and calls of one router have registered."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Final
from weakref import ref

from ..errors import ConfigurationError
from .entries import (
    AnswererEntry,
    CommandEntry,
    ConsumeEntry,
    EventHandlerEntry,
    Expectation,
    MiddlewareEntry,
    ProcessEntry,
    ProjectionEntry,
    QueryEntry,
    RelayEntry,
    ServeEntry,
    UpcasterEntry,
)

_NO_ENTRIES: Final = {"entries": False}


@dataclass(slots=True, weakref_slot=True, eq=False)
class Registered:
    """The entries of a router, in the order of their registration.

    Attributes:
        name: the name of the router.
        unfit_for_brokers: why the name cannot be the name of an application at a broker; None if it can.
        running: whether an application with this router runs.
        users: the routers that include this one.
        included: the routers that this one includes.
    """

    name: str
    commands: list[CommandEntry] = field(default_factory=list)
    queries: list[QueryEntry] = field(default_factory=list)
    processes: list[ProcessEntry] = field(default_factory=list)
    event_handlers: list[EventHandlerEntry] = field(default_factory=list)
    projections: list[ProjectionEntry] = field(default_factory=list)
    relays: list[RelayEntry] = field(default_factory=list)
    consumed: list[ConsumeEntry] = field(default_factory=list)
    served: list[ServeEntry] = field(default_factory=list)
    answerers: list[AnswererEntry] = field(default_factory=list)
    upcasters: list[UpcasterEntry] = field(default_factory=list)
    middleware: list[MiddlewareEntry] = field(default_factory=list)
    expected: list[Expectation] = field(default_factory=list)
    running: bool = field(default=False, metadata=_NO_ENTRIES)
    unfit_for_brokers: str | None = field(default=None, metadata=_NO_ENTRIES)
    users: list[ref[Registered]] = field(default_factory=list, metadata=_NO_ENTRIES)
    included: list[Registered] = field(default_factory=list, metadata=_NO_ENTRIES)

    @property
    def open(self) -> Registered:
        """These entries, for a further registration.

        Raises:
            ConfigurationError: an application that includes this router runs, and would never use the entry.
        """
        runs = self._runs()
        if runs is not None:
            raise ConfigurationError(
                f"cannot register a handler in {self.name!r}: the application {runs!r} is running, and would never call it. "
                "Import the module of the handler before `async with app:`."
            )
        return self

    def _runs(self) -> str | None:
        if self.running:
            return self.name
        for user in self.users:
            found = user()
            if found is not None and (name := found._runs()) is not None:
                return name
        return None

    def refresh(self, other: Registered) -> None:
        """Add the later registrations of an included router, and of the routers that it includes."""
        for router in other.included:
            other.refresh(router)
        self._add_entries(other)

    def add(self, other: Registered) -> None:
        """Include another router: add its entries, now and at each `refresh`."""
        if not any(each is other for each in self.included):
            self.included.append(other)
            other.users = [user for user in other.users if user() is not None]
            other.users.append(ref(self))
        self._add_entries(other)

    def _add_entries(self, other: Registered) -> None:
        for entries in fields(self)[1:]:
            if not entries.metadata:
                mine = getattr(self, entries.name)
                known = {id(each) for each in mine}
                mine.extend(each for each in getattr(other, entries.name) if id(each) not in known)
