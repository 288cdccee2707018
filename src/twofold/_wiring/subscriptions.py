"""The subscriptions and feeds of an application, from its registrations."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence

from .._buses.chain import EnvelopeMiddleware, Middleware
from .._definitions.message import Message
from .._definitions.subclasses import stored_names, stored_types
from .._dispatch.middleware_steps import event_handle, name_of
from .._dispatch.services import Services
from .._integration.broker import Broker
from .._integration.cloud_events import FeedFilter
from .._integration.relay import RelayProcessor, progress_topic
from .._integration.telemetry import UNRECORDED, RelayTelemetry
from .._registration.entries import ConsumeEntry, EventHandlerEntry, ProjectionEntry, RelayEntry
from .._subscriptions.contents import contents_of
from .._subscriptions.event_handler_processor import EventHandlerProcessor
from .._subscriptions.projection import Projection, ProjectionProcessor
from .._subscriptions.subscription import Subscription
from .._telemetry.recorder import Recorder
from ..ports.publisher import Outcome
from ..ports.transport import Feed
from .check_transport import consumer_name
from .parts import Parts
from .planner import Planned


def middleware_of(
    parts: Parts, message_type: type[Message], *, inside: bool = False
) -> list[Middleware | EnvelopeMiddleware]:
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
            contents=contents_of(projection.views, projection.events).text,
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
        middleware = {
            each: middleware_of(parts, each) for event_type in entry.events for each in stored_types(event_type)
        }
        handles = {
            each: event_handle(plan.recorded(services.recorder, "event", each, subscription=entry.name), links)
            for each, links in middleware.items()
        }
        names = {each: [name_of(link) for link in links] for each, links in middleware.items()}
        processor = EventHandlerProcessor(entry.name, handles, services, names, plan.has_steps)
        yield Subscription(
            name=entry.name,
            kind="event_handler",
            events=stored_names(entry.events),
            start=entry.start,
            partition_by=entry.partition_by,
            retry=entry.retry,
            partitions=entry.partitions,
            store=parts.write,
            processor=processor,
            forget=processor.forget,
        )


def relay_subscriptions(parts: Parts, broker: Broker | None, recorder: Recorder) -> Iterator[Subscription]:
    """Yield the relay, if there is a broker."""
    for entry in parts.registered.relays:
        if broker is None:
            continue
        telemetry = RelayTelemetry(recorder, broker.transport.system, parts.name) if recorder.on else UNRECORDED
        settled = (Outcome.CONFIRMED, *((Outcome.UNROUTABLE,) if entry.unroutable == "drop" else ()))
        yield Subscription(
            name=entry.name,
            kind="relay",
            events=frozenset(_names(entry)),
            start=entry.start,
            partition_by=entry.partition_by,
            retry=entry.retry,
            partitions=1,  # pipelined as it is, and so it can say how far it has come
            store=parts.write,
            processor=RelayProcessor(broker, parts.write, parts.name, entry.partition_by, settled, telemetry),
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


def _names(entry: RelayEntry | ConsumeEntry) -> Sequence[str]:
    """Return the wire names of the events of other applications. Events that Twofold records are not among them."""
    names = dict.fromkeys(str(each.message_name) for event_type in entry.events for each in stored_types(event_type))
    return [name for name in names if not name.startswith("twofold.")]
