"""The subscriptions and feeds of an application, from what was registered."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence

from .._buses.chain import Middleware
from .._caching.cached_query import CachedQuery
from .._caching.invalidation import InvalidationProcessor
from .._consistency.waiting import Consistency
from .._definitions.message import Message
from .._definitions.retry import Retry
from .._dispatch.pipeline import event_handle
from .._dispatch.services import Services
from .._integration.broker import Broker
from .._integration.cloud_events import FeedFilter
from .._integration.relay import RelayProcessor, progress_topic
from .._registration.entries import ConsumeEntry, EventHandlerEntry, ProjectionEntry
from .._subscriptions.event_handler_processor import EventHandlerProcessor
from .._subscriptions.projection import Projection
from .._subscriptions.projection_processor import ProjectionProcessor
from .._subscriptions.subscription import Subscription
from ..ports.transport import Feed
from .check_transport import consumer_name
from .parts import Parts
from .planner import Planned


def middleware_of(parts: Parts, message_type: type[Message], *, inside: bool = False) -> list[Middleware]:
    """Return the middleware that applies to a message, the outermost first."""
    return [
        entry.middleware
        for entry in parts.registered.middleware
        if inspect.isclass(entry.on) and issubclass(message_type, entry.on) and entry.inside is inside
    ]


def projection_subscriptions(
    parts: Parts, planned: Mapping[ProjectionEntry, Projection | None], services: Services
) -> Iterator[Subscription]:
    """Yield the asynchronous projections."""
    for entry, projection in planned.items():
        if projection is None or projection.inline:
            continue
        yield Subscription(
            name=entry.name,
            kind="projection",
            events=projection.events,
            start="beginning",
            partition_by=entry.partition_by,
            retry=entry.retry,
            partitions=entry.partitions,
            store=parts.read,
            processor=ProjectionProcessor(projection, services),
        )


def event_handler_subscriptions(
    parts: Parts,
    planned: Mapping[EventHandlerEntry, Planned | None],
    services: Services,
) -> Iterator[Subscription]:
    """Yield the event handlers."""
    for entry, plan in planned.items():
        if plan is None:
            continue
        handles = {
            event_type: event_handle(plan.invoke, middleware_of(parts, event_type)) for event_type in entry.events
        }
        yield Subscription(
            name=entry.name,
            kind="event_handler",
            events=frozenset(str(event_type.message_name) for event_type in entry.events),
            start=entry.start,
            partition_by=entry.partition_by,
            retry=entry.retry,
            partitions=entry.partitions,
            store=parts.write,
            processor=EventHandlerProcessor(handles, services),
        )


def relay_subscriptions(parts: Parts, broker: Broker | None) -> Iterator[Subscription]:
    """Yield the relay, if there is a broker."""
    for entry in parts.registered.relays:
        if broker is None:
            continue
        yield Subscription(
            name=entry.name,
            kind="relay",
            events=frozenset(str(event_type.message_name) for event_type in entry.events),
            start=entry.start,
            partition_by=entry.partition_by,
            retry=entry.retry,
            partitions=1,  # pipelined as it is, and so it can say how far it has come
            store=parts.write,
            processor=RelayProcessor(
                broker, parts.write, parts.name, entry.partition_by, drop_unroutable=entry.unroutable == "drop"
            ),
        )


def feed(parts: Parts, entry: ConsumeEntry) -> Feed:
    """Return the feed of a consumer."""
    topics = (*_names(entry), progress_topic(entry.source))
    return Feed(
        consumer=consumer_name(parts.registered, entry), topics=topics, partitions=entry.partitions, start=entry.start
    )


def feed_filter(parts: Parts, entry: ConsumeEntry) -> FeedFilter:
    """Return the events that a feed receives."""
    by_others = frozenset((each.source, name) for each in parts.registered.consumed for name in _names(each))
    return FeedFilter(entry.source, frozenset(_names(entry)), by_others)


def _names(entry: ConsumeEntry) -> Iterator[str]:
    return (str(event_type.message_name) for event_type in entry.events)


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
        event_types = {event_type for query in several for event_type in query.cache.invalidated_by}
        yield Subscription(
            name=name,
            kind="cache",
            events=frozenset(str(event_type.message_name) for event_type in event_types),
            start="now",
            partition_by=None,
            retry=Retry(),
            partitions=1,
            store=parts.write,
            processor=InvalidationProcessor(several, parts.cache, parts.write, consistency),
        )
