"""The events that an application decodes: those that its handlers name, and their subclasses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from .._definitions.aggregate import Aggregate
from .._definitions.message import Event
from .._definitions.subclasses import stored_types
from .._encoding.wire_types import EventTypes
from .._registration.places import Place, place_of
from .._registration.registered import Registered
from ..errors import ConfigurationError, Fault

_NOWHERE = Place("<unknown>", 0)


def named_events(registered: Registered, aggregates: Sequence[type[Aggregate]]) -> Mapping[type[Event], Place]:
    """Return every event class that a handler or an aggregate names, with a place that names it, if there is one."""
    named: list[tuple[Place, Iterable[type[Event]]]] = [
        *((event_handler.place, event_handler.events) for event_handler in registered.event_handlers),
        *((entry.place, [method.event for method in entry.methods]) for entry in registered.projections),
        *((query.place, query.cache.invalidated_by) for query in registered.queries if query.cache is not None),
        *((process.place, process.events) for process in registered.processes),
        *((relay.place, relay.events) for relay in registered.relays),
        *((feed.place, feed.events) for feed in registered.consumed),
    ]
    events: dict[type[Event], Place] = {}
    for place, event_types in named:
        for event_type in event_types:
            events.setdefault(event_type, place)
    for aggregate in aggregates:
        for event_type in aggregate._appliers:
            events.setdefault(event_type, _NOWHERE)
    return events


def with_subclasses(named: Mapping[type[Event], Place]) -> Mapping[type[Event], Place]:
    """Return the classes of the events that handlers receive, with the subclasses of the classes that they name.

    A subclass that has the name of a class that a handler names is another definition of it, and is left out. The same
    holds for an earlier definition of one class, which a reload of its module leaves behind. The subclasses of `Event`
    itself are not among them: another part of the process may define them, for another application.
    """
    events = {each: place for each, place in named.items() if each is not Event}
    by_name = {each.message_name: each for each in events}
    for base, place in list(events.items()):
        for each in stored_types(base):
            first = by_name.setdefault(each.message_name, each)
            if first in named and first is not each and issubclass(first, base):
                continue
            if first not in named and _full(first) == _full(each):
                events.pop(first, None)
                by_name[each.message_name] = each
            events.setdefault(each, place)
        if base.message_name is None and stored_types(base):
            del events[base]
    return events


def learn_events(
    registered: Registered, events: Mapping[type[Event], Place], event_types: EventTypes
) -> Iterator[Fault]:
    """Register events and upcasters for decoding; yield unnamed events, duplicate names and missing upcasters."""
    for event_type, place in events.items():
        try:
            event_types.add(event_type)
        except ConfigurationError as error:
            base = (
                " If it is a base class, import the modules of its subclasses before the application starts."
                if event_type.message_name is None
                else ""
            )
            yield place_of(event_type, place).fault(f"{error}{base}")
    for upcaster in registered.upcasters:
        event_types.add_upcaster(upcaster.name, upcaster.from_version, upcaster.upcaster)
    for event_type, version in event_types.missing_upcasters():
        yield place_of(event_type, events.get(event_type, _NOWHERE)).fault(
            f"a missing upcaster: {event_type.__name__} is at version {event_type.message_version}, and no upcaster "
            f"converts version {version} to {version + 1}. "
            f"Add @app.upcaster({event_type.message_name!r}, from_version={version})."
        )


def learn_all_events(event_types: EventTypes) -> None:
    """Register every event class of the process for decoding, for handlers of `Event`. Named classes come first."""
    found: dict[str, dict[str, type[Event]]] = {}
    for each in stored_types(Event):
        found.setdefault(str(each.message_name), {})[_full(each)] = each
    for name, classes in found.items():
        if event_types.known(name) is None:
            event_types.add_candidates(name, list(classes.values()))


def _full(named: type[object]) -> str:
    return f"{named.__module__}.{named.__qualname__}"
