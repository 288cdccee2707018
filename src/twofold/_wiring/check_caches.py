"""Faults of queries whose answers are cached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from types import UnionType
from typing import Any, Union, get_args, get_origin

from .._caching.keys import cacheable, can_match, fields_of, shape_of_key
from .._definitions.message import Event, Message
from .._definitions.subclasses import is_handled, stored_types
from .._encoding.result_types import unresolved
from .._encoding.secrets import masks
from .._registration.entries import ProjectionEntry, QueryEntry
from .._registration.registered import Registered
from .._subscriptions.projection import Projection
from ..errors import Fault
from .planner import Planned


def check_caches(
    registered: Registered,
    planned: Mapping[QueryEntry, Planned | None],
    projections: Mapping[ProjectionEntry, Projection | None],
) -> Iterator[Fault]:
    """Yield invalid keys and times of caches, and results that cannot be cached."""
    for entry in registered.queries:
        if entry.cache is None:
            continue
        name, cache, plan = entry.message.__name__, entry.cache, planned.get(entry)
        yield from _check_key(entry, cache.key, entry.message)
        for event_type, key in cache.invalidated_by.items():
            yield from _check_key(entry, key, event_type)
            yield from _check_match(entry, cache.key, event_type, key)
            if plan is not None:
                yield from _check_reads(entry, plan, event_type, projections)
        if cache.ttl <= 0 or (cache.negative_ttl is not None and cache.negative_ttl <= 0):
            yield entry.place.fault(f"the cache of {name} must keep answers for a positive number of seconds.")
        if not 0 <= cache.jitter < 1:
            yield entry.place.fault(f"jitter={cache.jitter} of the cache of {name}: must be at least 0 and below 1.")
        if plan is not None and plan.streams:
            yield entry.place.fault(f"{name} returns a stream, which cannot be cached. Remove cache=.")
        elif missing := unresolved(entry.message):
            yield entry.place.fault(missing)
        elif not cacheable(entry.message):
            yield entry.place.fault(
                f"the answers of {name} cannot be cached: their type has no JSON representation. Use a type that pydantic "
                f"knows, class {name}(Query[str])."
            )


def _check_key(entry: QueryEntry, key: str, message_type: type[Message]) -> Iterator[Fault]:
    try:
        fields = fields_of(key)
        key.encode()
    except ValueError as error:
        yield entry.place.fault(f"the key {key!r} cannot be read: {error}. Put fields in braces: 'order:{{order_id}}'.")
        return
    for name, spec, conversion in fields:
        if name not in message_type.model_fields:
            yield entry.place.fault(
                f"the key {key!r} has {name!r}, which is not a field of {message_type.__name__}. "
                f"Its fields are: {', '.join(message_type.model_fields)}."
            )
            continue
        if masks(message_type.model_fields[name].annotation):
            yield entry.place.fault(
                f"the key {key!r} has {name!r} of {message_type.__name__}, which is a secret or contains one. A key "
                "is stored as plain text. Use another field, such as the id of the user, or remove cache=."
            )
        if conversion:
            yield entry.place.fault(f"the key {key!r} has the conversion !{conversion}. Remove it.")
        misfit = _misfit(message_type.model_fields[name].annotation, spec) if spec else None
        if misfit is not None:
            yield entry.place.fault(
                f"the key {key!r} formats {name!r} of {message_type.__name__} as {spec!r}, which fails for some values: "
                f"{misfit}. Use a format that fits all values, or none."
            )


_DAY = datetime(2000, 1, 1, tzinfo=UTC)
_SAMPLES: Mapping[Any, Any] = {
    **{each: each() for each in (str, int, float, bool, Decimal)},
    date: _DAY.date(),
    datetime: _DAY,
    time: _DAY.time(),
}
"""A sample value of each type that supports format specifications."""


def _misfit(annotation: Any, spec: str) -> str | None:
    """Return why a format does not fit every value of a type; None if it fits or the type leaves this open."""
    if get_origin(annotation) in (Union, UnionType):
        return next(filter(None, (_misfit(each, spec) for each in get_args(annotation))), None)
    if annotation in _SAMPLES:
        try:
            format(_SAMPLES[annotation], spec)
        except (ValueError, TypeError) as error:
            return str(error)
    elif isinstance(annotation, type) and annotation not in (Any, object):
        own: Any = annotation.__format__
        if own is object.__format__:
            return f"{annotation.__name__} has no formats"
    return None


def _check_match(entry: QueryEntry, key: str, event_type: type[Message], other: str) -> Iterator[Fault]:
    try:
        matches = can_match(shape_of_key(key), shape_of_key(other))
    except ValueError:
        return
    if not matches:
        yield entry.place.fault(
            f"{event_type.__name__} invalidates {other!r}, and the answers of {entry.message.__name__} are stored under "
            f"{key!r}: no two such keys are equal, so the event would invalidate nothing. Use the same key format."
        )


def _check_reads(
    entry: QueryEntry,
    plan: Planned,
    event_type: type[Event],
    projections: Mapping[ProjectionEntry, Projection | None],
) -> Iterator[Fault]:
    """Yield events that change nothing that a query reads, for queries that read only rows."""
    if len(plan.injected) != len(plan.views) or not plan.views or not all(projections.values()):
        return
    read = [each for each in projections.values() if each and (each.name in entry.reads or each.views & plan.views)]
    changes = any(is_handled(each.events, stored) for each in read for stored in stored_types(event_type))
    if read and not changes:
        yield entry.place.fault(
            f"{event_type.__name__} invalidates the answers of {entry.message.__name__}, and no projection that it reads "
            f"handles this event ({', '.join(each.name for each in read)}), so the answers would not change. Name "
            "events that these projections handle."
        )
