"""Faults of queries whose answers are cached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ._cache import fields_of
from ._entries import QueryEntry
from ._faults import Fault
from ._idempotency import adapter_of
from ._messages import Message, Query
from ._module import Module
from ._plan import Planned


def check_caches(module: Module, planned: Mapping[QueryEntry, Planned | None]) -> Iterator[Fault]:
    """Yield keys with unknown fields, times that are none, and answers that cannot be kept."""
    for entry in module._queries:
        if entry.cache is None:
            continue
        name, cache, plan = entry.message.__name__, entry.cache, planned.get(entry)
        yield from _check_key(entry, cache.key, entry.message)
        for event_type, key in cache.invalidated_by.items():
            yield from _check_key(entry, key, event_type)
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
