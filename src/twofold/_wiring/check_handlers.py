"""Faults that show only when all registrations are checked together."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .._background.shown import shown_option
from .._buses.chain import unusable
from .._definitions.aggregate import Aggregate
from .._definitions.message import Command, Event, Query
from .._definitions.retry import Retry
from .._definitions.view import View
from .._encoding.secrets import ADVICE, MASK, masked
from .._encoding.wire_types import WireTypes
from .._registration.entries import (
    CommandEntry,
    EventHandlerEntry,
    ProcessEntry,
    ProjectionEntry,
    QueryEntry,
    RelayEntry,
)
from .._registration.places import Place, place_of
from .._registration.registered import Registered
from .._subscriptions.contents import LARGEST, contents_of
from .._subscriptions.projection import Projection
from ..errors import ConfigurationError, Fault
from ..ports.stores import WriteStore
from .planner import Planned, Planner

_NOWHERE = Place("<unknown>", 0)

_ADVICE: Mapping[str, str] = {
    "command": "To reach several handlers, publish an event.",
    "query": "To ask several handlers, give each one many=True and a name.",
}
"""How a user reaches several handlers."""


def check_handlers(registered: Registered) -> Iterator[Fault]:
    """Yield missing handlers, duplicate handlers, and invalid keys."""
    handlers: dict[type[Any], CommandEntry | QueryEntry] = {}
    single = [entry for entry in registered.queries if entry.answerer is None]
    entries: list[CommandEntry | QueryEntry] = [*registered.commands, *single]
    for entry in entries:
        first = handlers.setdefault(entry.message, entry)
        if first is not entry:
            kind = "command" if isinstance(entry, CommandEntry) else "query"
            yield entry.place.fault(
                f"two handlers of {kind} {entry.message.__name__}: {entry.label} here, "
                f"{first.label} at {first.place}. Keep one handler. {_ADVICE[kind]}"
            )
    answered = {*(each.message for each in registered.queries), *(each.message for each in registered.answerers)}
    for expectation in registered.expected:
        if expectation.message not in handlers and expectation.message not in answered:
            kind = "query" if issubclass(expectation.message, Query) else "command"
            yield expectation.place.fault(
                f"no handler for {kind} {expectation.message.__name__}. "
                f"Register one with @app.{kind}_handler({expectation.message.__name__}) and import its module."
            )
    for command in registered.commands:
        if command.key is not None and command.key not in command.message.model_fields:
            yield command.place.fault(f"key={shown_option(command.key)} is not a field of {command.message.__name__}.")


def check_subscriptions(registered: Registered) -> Iterator[Fault]:
    """Yield queries of unknown projections, duplicate names, and invalid partitions and retries."""
    named: dict[str, ProjectionEntry | EventHandlerEntry | ProcessEntry | RelayEntry] = {}
    entries: list[ProjectionEntry | EventHandlerEntry | ProcessEntry | RelayEntry] = [
        *registered.projections,
        *registered.event_handlers,
        *registered.processes,
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
        if not isinstance(entry.retry, Retry):
            yield entry.place.fault(
                f"retry={shown_option(entry.retry)} of {entry.name!r}: pass a Retry, such as Retry(attempts=8)."
            )
        for event_type in _events_of(entry):
            if entry.partition_by is not None and entry.partition_by not in event_type.model_fields:
                yield entry.place.fault(
                    f"partition_by={shown_option(entry.partition_by)} is not a field of {event_type.__name__}."
                )
    projections = {projection.name for projection in registered.projections}
    for query in registered.queries:
        for name in query.reads:
            if name not in projections:
                yield query.place.fault(
                    f"{query.label} reads an unknown projection {shown_option(name)}. "
                    f"Known projections: {', '.join(sorted(projections)) or 'none'}."
                )


def check_modes(registered: Registered, same_store: bool) -> Iterator[Fault]:
    """Yield projections with an unknown mode, and inline projections across two stores."""
    for projection in registered.projections:
        if projection.mode not in ("async", "inline"):
            yield projection.place.fault(
                f"mode={shown_option(projection.mode)} of {projection.name!r}: use 'async' or 'inline'."
            )
        retry: object = projection.retry  # anything may be passed
        if projection.mode == "inline" and isinstance(retry, Retry) and retry.has_classes:
            yield projection.place.fault(
                f"the projection {projection.name!r} is inline, and its Retry has on=, park_on= or skip_on=: an inline "
                "projection neither retries, parks nor skips, because its failure fails the command. Omit retry=, or use "
                "mode='async'."
            )
        if projection.mode == "inline" and not same_store:
            yield projection.place.fault(
                f"the projection {projection.name!r} is inline, but read= and write= are two stores. "
                "One transaction cannot span both; use mode='async'."
            )


def check_middleware(registered: Registered) -> Iterator[Fault]:
    """Yield invalid middleware, and middleware for something that is not a class."""
    for entry in registered.middleware:
        if wrong := unusable(entry.middleware, envelope=True):
            yield entry.place.fault(wrong)
        if not inspect.isclass(entry.on):
            yield entry.place.fault(
                f"on={shown_option(entry.on)} is not a class. Pass a message class, such as on=Command."
            )


def check_views(
    projections: Mapping[ProjectionEntry, Projection | None], queries: Mapping[QueryEntry, Planned | None]
) -> Iterator[Fault]:
    """Yield views that two projections write, projections with too many fields, and queries of views that none writes."""
    writers: dict[type[View], ProjectionEntry] = {}
    for entry, projection in projections.items():
        size = len(contents_of(projection.views, projection.events).text.encode()) if projection else 0
        if size > LARGEST:
            yield entry.place.fault(
                f"the names of the views, fields and events of the projection {entry.name!r} have {size:,} bytes, and a "
                f"checkpoint records at most {LARGEST:,}. Divide it into several projections."
            )
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


def check_secrets(events: Mapping[type[Event], Place], views: Iterable[type[View]]) -> Iterator[Fault]:
    """Yield events and views whose secrets would be stored as masks."""
    for event_type, place in events.items():
        if names := masked(event_type):
            yield place_of(event_type, place).fault(
                f"the event {event_type.__name__} would be stored without its secrets: {', '.join(names)} would come "
                f"back as {MASK}. {ADVICE}"
            )
    for view in sorted(views, key=lambda each: each.__qualname__):
        if names := masked(view):
            yield place_of(view, _NOWHERE).fault(
                f"the rows of {view.__name__} would be stored without their secrets: {', '.join(names)} would come back as "
                f"{MASK}. {ADVICE}"
            )


def _events_of(entry: ProjectionEntry | EventHandlerEntry | ProcessEntry | RelayEntry) -> Iterable[type[Event]]:
    if isinstance(entry, ProjectionEntry):
        return (method.event for method in entry.methods)
    return entry.events


def learn_commands(registered: Registered, command_types: WireTypes[Command[Any]]) -> Iterator[Fault]:
    """Register named commands and upcasters for decoding; yield duplicate names."""
    places = [(entry.message, entry.place) for entry in registered.commands]
    remote = [(message, entry.place) for entry in registered.processes for message in entry.remote]
    for message, place in (*places, *remote):
        if message.message_name is not None:
            try:
                command_types.add(message)
            except ConfigurationError as error:
                yield place.fault(str(error))
    for upcaster in registered.upcasters:
        command_types.add_upcaster(upcaster.name, upcaster.from_version, upcaster.upcaster)


def check_stores(planner: Planner, write: WriteStore, event_sourced: Sequence[type[Aggregate]]) -> Iterator[Fault]:
    """Yield aggregates that the write store cannot store."""
    for aggregate in sorted(planner.aggregates, key=lambda each: each.__qualname__):
        missing = None if aggregate in event_sourced else write.missing_state(aggregate)
        if missing is not None:
            yield place_of(aggregate, _NOWHERE).fault(
                f"the write store cannot store {aggregate.__qualname__}: {_after_name(missing, aggregate)}"
            )


def _after_name(missing: str, aggregate: type[Aggregate]) -> str:
    """Remove the beginning that repeats the fault."""
    name = aggregate.__qualname__
    return missing.removeprefix(f"cannot store the state of {name}: ").removeprefix(f"cannot store {name}: ")
