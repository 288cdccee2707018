"""The cached queries of an application, from its registrations: their faults and their subscriptions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from hashlib import sha256
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

from .._caching.cached_query import CachedQuery
from .._caching.invalidation import InvalidationProcessor, Rules
from .._caching.keys import cacheable, can_match, fields_of, shape_of, shape_of_key
from .._consistency.waiting import Consistency
from .._definitions.message import Event, Message, Query
from .._definitions.retry import Retry
from .._definitions.subclasses import is_handled, stored_names, stored_types
from .._encoding.result_types import unresolved
from .._encoding.secrets import masks
from .._registration.entries import ProjectionEntry, QueryEntry
from .._registration.registered import Registered
from .._subscriptions.projection import Projection
from .._subscriptions.subscription import Subscription
from ..errors import Fault
from .parts import Parts
from .planner import Planned

_RETRY: Final = Retry()
"""How a failing invalidation is retried."""


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


def cached_queries(
    entries: Iterable[QueryEntry],
    reads: Mapping[type[Query[Any]], Sequence[str]],
    inline: Mapping[type[Query[Any]], Sequence[str]],
) -> Sequence[CachedQuery]:
    """Return the queries with `cache=`. Queries that read the same projections share a subscription.

    A stopped projection therefore delays only the invalidation of answers that depend on it.

    Args:
        entries: the queries that are registered.
        reads: the names of the asynchronous projections that each query reads.
        inline: the names of the inline projections that each query reads.
    """
    found = [
        (entry.message, entry.cache, tuple(sorted(reads[entry.message])), shape_of(entry.message))
        for entry in entries
        if entry.cache is not None and cacheable(entry.message)
    ]
    rules: dict[tuple[str, ...], list[str]] = {}
    for _, cache, read, shape in found:
        for event_type, key in cache.invalidated_by.items():
            names = ["*"] if event_type is Event else [each.message_name for each in stored_types(event_type)]
            rules.setdefault(read, []).extend(f"{name} {shape} {key}" for name in names)
    return [
        CachedQuery(
            message,
            cache,
            read,
            shape,
            _subscription_name(read, rules[read]) if cache.invalidated_by else "",
            tuple(inline[message]),
        )
        for message, cache, read, shape in found
    ]


def _subscription_name(reads: tuple[str, ...], rules: Sequence[str]) -> str:
    """Return the name of a subscription. Other rules have another name, and so a checkpoint of their own.

    While two releases run at the same time, neither advances the checkpoint of the other.
    """
    return f"twofold.cache.{sha256(repr((reads, sorted(rules))).encode()).hexdigest()[:8]}"


def cache_subscriptions(
    parts: Parts, queries: Sequence[CachedQuery], consistency: Consistency
) -> Iterator[Subscription]:
    """Yield the subscriptions that invalidate cached answers, if there is a cache."""
    ended: dict[str, list[CachedQuery]] = {}
    for query in queries:
        if query.subscription:
            ended.setdefault(query.subscription, []).append(query)
    for name, several in ended.items():
        if parts.cache is None:
            continue
        event_types: set[type[Event]] = {each for query in several for each in query.cache.invalidated_by}
        yield Subscription(
            name=name,
            kind="cache",
            events=stored_names(event_types),
            start="now",
            partition_by=None,
            retry=_RETRY,
            partitions=1,
            store=parts.write,
            processor=InvalidationProcessor(Rules(several), several[0].reads, parts.cache, parts.write, consistency),
        )
