"""Faults that show only when all registrations are checked together."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .._buses.chain import unusable
from .._definitions.aggregate import Aggregate
from .._definitions.message import Command, Event, Query
from .._definitions.on import marked_methods
from .._definitions.view import View
from .._encoding.event_types import EventTypes
from .._encoding.wire_types import WireTypes
from .._registration.entries import CommandEntry, EventHandlerEntry, ProjectionEntry, QueryEntry, RelayEntry
from .._registration.places import Place, place_of
from .._registration.registered import Registered
from .._subscriptions.projection import Projection
from ..errors import ConfigurationError, Fault
from ..ports.stores import WriteStore
from .planner import Planned, Planner

_NOWHERE = Place("<unknown>", 0)


def check_handlers(registered: Registered) -> Iterator[Fault]:
    """Yield missing handlers, duplicate handlers, and invalid keys."""
    handlers: dict[type[Any], CommandEntry | QueryEntry] = {}
    entries: list[CommandEntry | QueryEntry] = [*registered.commands, *registered.queries]
    for entry in entries:
        first = handlers.setdefault(entry.message, entry)
        if first is not entry:
            kind = "command" if isinstance(entry, CommandEntry) else "query"
            yield entry.place.fault(
                f"two handlers of {kind} {entry.message.__name__}: {entry.label} here, "
                f"{first.label} at {first.place}. Keep one handler. To reach several handlers, publish an event."
            )
    for expectation in registered.expected:
        if expectation.message not in handlers:
            kind = "query" if issubclass(expectation.message, Query) else "command"
            yield expectation.place.fault(
                f"no handler for {kind} {expectation.message.__name__}. "
                f"Register one with @app.{kind}_handler({expectation.message.__name__}) and import its module."
            )
    for command in registered.commands:
        if command.key is not None and command.key not in command.message.model_fields:
            yield command.place.fault(f"key={command.key!r} is not a field of {command.message.__name__}.")


def check_subscriptions(registered: Registered) -> Iterator[Fault]:
    """Yield queries of unknown projections, duplicate names, and invalid partitions."""
    named: dict[str, ProjectionEntry | EventHandlerEntry | RelayEntry] = {}
    entries: list[ProjectionEntry | EventHandlerEntry | RelayEntry] = [
        *registered.projections,
        *registered.event_handlers,
        *registered.relays,
    ]
    for entry in entries:
        first = named.setdefault(entry.name, entry)
        if first is not entry:
            yield entry.place.fault(
                f"two subscriptions are named {entry.name!r}: {entry.label} here and {first.label} at {first.place}. "
                "They would share one checkpoint; rename one."
            )
        if entry.partitions < 1:
            yield entry.place.fault(f"partitions={entry.partitions} of {entry.name!r}: must be at least 1.")
        events = events_of(entry) if isinstance(entry, ProjectionEntry) else entry.events
        for event_type in events:
            if entry.partition_by is not None and entry.partition_by not in event_type.model_fields:
                yield entry.place.fault(f"partition_by={entry.partition_by!r} is not a field of {event_type.__name__}.")
    projections = {projection.name for projection in registered.projections}
    for query in registered.queries:
        for name in query.reads:
            if name not in projections:
                yield query.place.fault(
                    f"{query.label} reads an unknown projection {name!r}. "
                    f"Known projections: {', '.join(sorted(projections)) or 'none'}."
                )


def check_modes(registered: Registered, same_store: bool) -> Iterator[Fault]:
    """Yield projections with an unknown mode, and inline projections across two stores."""
    for projection in registered.projections:
        if projection.mode not in ("async", "inline"):
            yield projection.place.fault(f"mode={projection.mode!r} of {projection.name!r}: use 'async' or 'inline'.")
        if projection.mode == "inline" and not same_store:
            yield projection.place.fault(
                f"the projection {projection.name!r} is inline, but read= and write= are two stores. "
                "One transaction cannot span both; use mode='async'."
            )


def check_middleware(registered: Registered) -> Iterator[Fault]:
    """Yield invalid middleware, and middleware for something that is not a class."""
    for entry in registered.middleware:
        if wrong := unusable(entry.middleware):
            yield entry.place.fault(wrong)
        if not inspect.isclass(entry.on):
            yield entry.place.fault(f"on={entry.on!r:.100} is not a class. Pass a message class, such as on=Command.")


def check_views(
    projections: Mapping[ProjectionEntry, Projection | None], queries: Mapping[QueryEntry, Planned | None]
) -> Iterator[Fault]:
    """Yield views that two projections write, and queries of views that no projection writes."""
    writers: dict[type[View], ProjectionEntry] = {}
    for entry, projection in projections.items():
        for view in sorted(projection.views if projection else (), key=lambda each: each.__qualname__):
            first = writers.setdefault(view, entry)
            if first is not entry:
                yield entry.place.fault(
                    f"two projections write the rows of {view.__name__}: {entry.name!r} here and {first.name!r} at "
                    f"{first.place}. A rebuild of one would lose the rows of the other. Give each one its own view."
                )
    whole = all(projections.values())  # the views of a projection with faults are unknown
    for query, planned in queries.items():
        for view in sorted(planned.views if planned and whole else (), key=lambda each: each.__qualname__):
            if view not in writers:
                yield query.place.fault(
                    f"{query.label} reads the rows of {view.__name__}, which no projection writes. "
                    "Register the projection that writes them, and import its module."
                )


def known_events(registered: Registered, aggregates: Sequence[type[Aggregate]]) -> Mapping[type[Event], Place]:
    """Return every event class that a handler or an aggregate names, with a place that names it."""
    named: list[tuple[Place, Iterable[type[Event]]]] = [
        *((event_handler.place, event_handler.events) for event_handler in registered.event_handlers),
        *((projection.place, events_of(projection)) for projection in registered.projections),
        *((query.place, query.cache.invalidated_by) for query in registered.queries if query.cache is not None),
        *((relay.place, relay.events) for relay in registered.relays),
        *((feed.place, feed.events) for feed in registered.consumed),
    ]
    events: dict[type[Event], Place] = {}
    for place, event_types in named:
        for event_type in event_types:
            events.setdefault(event_type, place_of(event_type, place))
    for aggregate in aggregates:
        for event_type, _, _ in marked_methods(aggregate):
            events.setdefault(event_type, place_of(event_type, place_of(aggregate, _NOWHERE)))
    return events


def events_of(projection: ProjectionEntry) -> tuple[type[Event], ...]:
    """Return the event classes that a projection handles."""
    if not isinstance(projection.handler, type):
        return ()
    return tuple(event_type for event_type, _, _ in marked_methods(projection.handler))


def learn_events(
    registered: Registered, events: Mapping[type[Event], Place], event_types: EventTypes
) -> Iterator[Fault]:
    """Register events and upcasters for decoding; yield unnamed events, duplicate names and missing upcasters."""
    for event_type, place in events.items():
        try:
            event_types.add(event_type)
        except ConfigurationError as error:
            yield place.fault(str(error))
    for upcaster in registered.upcasters:
        event_types.add_upcaster(upcaster.name, upcaster.from_version, upcaster.upcaster)
    for event_type, version in event_types.missing_upcasters():
        yield events[event_type].fault(
            f"a missing upcaster: {event_type.__name__} is at version {event_type.message_version}, and no upcaster "
            f"converts version {version} to {version + 1}. "
            f"Add @app.upcaster({event_type.message_name!r}, from_version={version})."
        )


def learn_commands(registered: Registered, command_types: WireTypes[Command[Any]]) -> Iterator[Fault]:
    """Register named commands and upcasters for decoding; yield duplicate names."""
    for entry in registered.commands:
        if entry.message.message_name is not None:
            try:
                command_types.add(entry.message)
            except ConfigurationError as error:
                yield entry.place.fault(str(error))
    for upcaster in registered.upcasters:
        command_types.add_upcaster(upcaster.name, upcaster.from_version, upcaster.upcaster)


def check_stores(planner: Planner, write: WriteStore, event_sourced: Sequence[type[Aggregate]]) -> Iterator[Fault]:
    """Yield aggregates that the write store cannot store, and views with the same name."""
    for aggregate in sorted(planner.aggregates, key=lambda each: each.__qualname__):
        missing = None if aggregate in event_sourced else write.missing_state(aggregate)
        if missing is not None:
            yield place_of(aggregate, _NOWHERE).fault(
                f"the write store cannot keep {aggregate.__qualname__}: {_after_name(missing, aggregate)}"
            )
    named: dict[str, type[View]] = {}
    for view in sorted(planner.views, key=lambda each: each.__qualname__):
        first = named.setdefault(view.view_name, view)
        if first is not view:
            yield place_of(view, _NOWHERE).fault(
                f"two views are named {view.view_name!r}: {view.__qualname__} and {first.__qualname__}. Rename one."
            )


def _after_name(missing: str, aggregate: type[Aggregate]) -> str:
    """Remove the beginning that repeats the fault."""
    name = aggregate.__qualname__
    return missing.removeprefix(f"cannot keep the state of {name}: ").removeprefix(f"cannot keep {name}: ")


def message_kind(message: type[Any]) -> str:
    """Return the kind of a message, for error messages."""
    if issubclass(message, Command):
        return "command"
    return "query" if issubclass(message, Query) else "event"
