"""Faults of queries whose answers are cached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ._cache import fields_of
from ._cache_keys import can_meet, shape_of_key
from ._entries import ProjectionEntry, QueryEntry
from ._faults import Fault
from ._idempotency import adapter_of
from ._messages import Message, Query
from ._module import Module
from ._plan import Planned
from ._projection import Projection


def check_caches(
    module: Module,
    planned: Mapping[QueryEntry, Planned | None],
    projections: Mapping[ProjectionEntry, Projection | None],
) -> Iterator[Fault]:
    """Yield keys with unknown fields or that cannot meet, times that are none, and answers that cannot be kept."""
    for entry in module._queries:
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
            yield entry.place.fault(f"the cache of {name} keeps answers for no time: give seconds, more than 0.")
        if not 0 <= cache.jitter < 1:
            yield entry.place.fault(f"jitter={cache.jitter} of the cache of {name}: give a share, from 0 to below 1.")
        if plan is not None and plan.streams:
            yield entry.place.fault(f"{name} answers with a stream, which cannot be cached. Take cache= out.")
        elif not cacheable(entry.message):
            yield entry.place.fault(
                f"the answers of {name} cannot be cached: their type has no JSON. Let it answer with a type that pydantic "
                f"knows, class {name}(Query[str])."
            )


def cacheable(query_type: type[Query[Any]]) -> bool:
    """Return whether the answers of a query have JSON."""
    try:
        adapter_of(query_type).json_schema()
    except Exception:  # noqa: BLE001 -- pydantic raises what it likes for a type that it does not know
        return False
    return True


def _check_key(entry: QueryEntry, key: str, message_type: type[Message]) -> Iterator[Fault]:
    try:
        names = fields_of(key)
    except ValueError as error:
        yield entry.place.fault(
            f"the key {key!r} cannot be read: {error}. Write fields in braces: 'order:{{order_id}}'."
        )
        return
    for name in names:
        if name not in message_type.model_fields:
            yield entry.place.fault(
                f"the key {key!r} has {name!r}, which is not a field of {message_type.__name__}. "
                f"Its fields are: {', '.join(message_type.model_fields)}."
            )


def _check_match(entry: QueryEntry, key: str, event_type: type[Message], other: str) -> Iterator[Fault]:
    try:
        meet = can_meet(shape_of_key(key), shape_of_key(other))
    except ValueError:
        return
    if not meet:
        yield entry.place.fault(
            f"{event_type.__name__} invalidates {other!r}, and the answers of {entry.message.__name__} are kept under "
            f"{key!r}: no two such keys are equal, so it would invalidate nothing. Write both alike."
        )


def _check_reads(
    entry: QueryEntry,
    plan: Planned,
    event_type: type[Message],
    projections: Mapping[ProjectionEntry, Projection | None],
) -> Iterator[Fault]:
    """Yield an event that changes nothing a query reads, where the query takes nothing but rows."""
    if len(plan.injected) != len(plan.views) or not plan.views or not all(projections.values()):
        return
    read = [each for each in projections.values() if each and (each.name in entry.reads or each.views & plan.views)]
    if read and not any(event_type in each.methods for each in read):
        yield entry.place.fault(
            f"{event_type.__name__} invalidates the answers of {entry.message.__name__}, and no projection that it reads "
            f"takes this event ({', '.join(each.name for each in read)}), so they would stay as they are. Name the "
            "events that these take."
        )
