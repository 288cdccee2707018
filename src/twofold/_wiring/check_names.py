"""Faults of names: two things of one name, and reserved names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from .._definitions.aggregate import Aggregate
from .._definitions.message import Query
from .._definitions.view import View, incomparable
from .._registration.entries import (
    EventHandlerEntry,
    ProcessEntry,
    ProjectionEntry,
    QueryEntry,
    RelayEntry,
    UpcasterEntry,
)
from .._registration.places import Place, place_of
from .._registration.registered import Registered
from ..errors import Fault
from .check_transport import consumer_name

_NOWHERE = Place("<unknown>", 0)


def check_names(
    registered: Registered, aggregates: Iterable[type[Aggregate]], views: Iterable[type[View]]
) -> Iterator[Fault]:
    """Yield names that two aggregates, views, queries or upcasters share, and reserved names of subscriptions."""
    yield from _check_aggregates(aggregates)
    yield from _check_views(views)
    yield from _check_late_fields(views)
    yield from _check_queries(registered.queries)
    yield from _check_subscriptions(registered)
    yield from _check_upcasters(registered.upcasters)


def _check_aggregates(aggregates: Iterable[type[Aggregate]]) -> Iterator[Fault]:
    named: dict[str, type[Aggregate]] = {}
    for aggregate in sorted(aggregates, key=lambda each: each.__qualname__):
        first = named.setdefault(aggregate.aggregate_name, aggregate)
        if first is not aggregate:
            yield place_of(aggregate, _NOWHERE).fault(
                f"two aggregates are named {aggregate.aggregate_name!r}: {_full(aggregate)} and {_full(first)}. Each would "
                "load the data of the other. Rename one."
            )


def _check_views(views: Iterable[type[View]]) -> Iterator[Fault]:
    named: dict[str, type[View]] = {}
    for view in sorted(views, key=lambda each: each.__qualname__):
        first = named.setdefault(view.view_name.lower(), view)
        if first is view:
            continue
        same = first.view_name == view.view_name
        names = repr(view.view_name) if same else f"{view.view_name!r} and {first.view_name!r}"
        why = "" if same else " Some databases do not distinguish upper and lower case."
        yield place_of(view, _NOWHERE).fault(
            f"two views are named {names}: {_full(view)} and {_full(first)}.{why} Rename one."
        )


def _check_late_fields(views: Iterable[type[View]]) -> Iterator[Fault]:
    """Yield keys and indexes that not every store can compare, of views whose types were not known at their definition."""
    for view in sorted(views, key=lambda each: each.__qualname__):
        if not view._fields_were_known and (wrong := incomparable(view)):
            yield place_of(view, _NOWHERE).fault(f"the view {view.__name__} cannot be stored: {wrong}")


def _check_queries(queries: Iterable[QueryEntry]) -> Iterator[Fault]:
    named: dict[str, type[Query[object]]] = {}
    for entry in queries:
        name = entry.message.message_name
        first = entry.message if name is None else named.setdefault(name, entry.message)
        if first is not entry.message:
            yield entry.place.fault(
                f"two query classes are named {name!r}: {_full(entry.message)} and {_full(first)}. Rename one."
            )


def _check_subscriptions(registered: Registered) -> Iterator[Fault]:
    entries: list[ProjectionEntry | EventHandlerEntry | ProcessEntry | RelayEntry] = [
        *registered.projections,
        *registered.event_handlers,
        *registered.processes,
        *registered.relays,
    ]
    consumers = {str(consumer_name(registered, each)): each.place for each in registered.consumed}
    for entry in entries:
        if entry.name.startswith("twofold."):
            yield entry.place.fault(
                f"the subscription of {entry.label} is named {entry.name!r}. Names that begin with 'twofold.' are reserved "
                "for subscriptions of Twofold. Rename the subscription."
            )
        for consumer, place in consumers.items():
            if entry.name == consumer:
                yield entry.place.fault(
                    f"the subscription of {entry.label} is named {entry.name!r}, as is the consumer at {place}. An operator "
                    "could not pause one of them. Rename the subscription."
                )
            if re.fullmatch(rf"{re.escape(consumer)}\.\d+(\.(recorded|started))?", entry.name):
                yield entry.place.fault(
                    f"the subscription of {entry.label} is named {entry.name!r}, as is a checkpoint of the consumer "
                    f"{consumer!r} at {place}. Rename the subscription."
                )


def _check_upcasters(upcasters: Iterable[UpcasterEntry]) -> Iterator[Fault]:
    known: dict[tuple[str, int], UpcasterEntry] = {}
    for entry in upcasters:
        first = known.setdefault((entry.name, entry.from_version), entry)
        if first is not entry:
            yield entry.place.fault(
                f"two upcasters convert version {entry.from_version} of {entry.name!r}: {entry.label} here and "
                f"{first.label} at {first.place}. Keep one."
            )


def _full(named: type[object]) -> str:
    return f"{named.__module__}.{named.__qualname__}"
