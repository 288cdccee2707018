"""Assemble an application: plan handlers, check the wiring, and build the pipelines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._background.signal import Signal
from .._background.tasks import RunningTask
from .._caching.answers import Answers
from .._caching.cached_query import CachedQuery, cached_queries
from .._caching.pipeline import Caching
from .._consistency.conversation import Conversations
from .._consistency.waiting import Consistency
from .._definitions.aggregate import Aggregate
from .._definitions.message import Command, Query
from .._definitions.view import View
from .._dispatch.buses import PipelineCommandBus, PipelineQueryBus, RecordingEventBus
from .._dispatch.pipeline import command_steps, query_steps
from .._dispatch.services import Services
from .._dispatch.steps import Pipeline, pipeline
from .._dispatch.turns import Turns
from .._encoding.event_types import EventTypes
from .._encoding.wire_types import WireTypes
from .._integration.broker import Broker
from .._registration.entries import CommandEntry, Entry, QueryEntry
from .._subscriptions.inline import inline_step
from .._subscriptions.projection import Projection
from .._subscriptions.projection_processor import ProjectionProcessor
from .._subscriptions.subscription import Subscription
from .._writing.event_sourced import EventSourced
from .._writing.storage import Kept, StateStored, Storage, WriteSide
from .._writing.tracked import AggregateRemoved
from ..errors import Fault, UndecodableCommand
from .check_caches import check_caches
from .check_handlers import (
    check_handlers,
    check_middleware,
    check_modes,
    check_stores,
    check_subscriptions,
    check_views,
    known_events,
    learn_commands,
    learn_events,
)
from .check_secrets import check_secrets
from .check_transport import check_served, check_transport
from .parts import Parts
from .planner import Planned, Planner
from .subscriptions import (
    cache_subscriptions,
    event_handler_subscriptions,
    feed,
    middleware_of,
    projection_subscriptions,
    relay_subscriptions,
)


@dataclass(frozen=True, slots=True)
class Assembly:
    """An application's wiring, ready to run when it has no faults.

    Attributes:
        faults: everything that is wrong.
        services: what handlers are given.
        event_types: the events it knows.
        inline: the projections that commands apply themselves.
        subscriptions: the asynchronous projections, the event handlers and the relays.
        broker: the broker, with what is received from it.
        answers: the cache.
        cached: the queries whose answers it keeps.
        views: every view that is read or written.
    """

    faults: Sequence[Fault]
    services: Services
    event_types: EventTypes
    inline: Sequence[Projection]
    subscriptions: Sequence[Subscription]
    broker: Broker | None
    answers: Answers | None
    cached: Sequence[CachedQuery]
    views: Sequence[type[View]]


def assemble(parts: Parts) -> Assembly:
    """Plan everything that an application has registered."""
    registered, planner = parts.registered, Planner(parts.container)
    commands = {entry: planner.handler(entry, "command") for entry in registered.commands}
    queries = {entry: planner.handler(entry, "query") for entry in registered.queries}
    event_handlers = {entry: planner.handler(entry, "event_handler") for entry in registered.event_handlers}
    projections = {entry: planner.projection(entry) for entry in registered.projections}
    aggregates = sorted(planner.aggregates | set(parts.event_sourced), key=lambda each: each.__qualname__)
    events, event_types = known_events(registered, aggregates), EventTypes()
    event_types.add(AggregateRemoved)
    command_types: WireTypes[Command[Any]] = WireTypes("command", UndecodableCommand)
    faults = [
        *planner.faults,
        *check_handlers(registered),
        *check_middleware(registered),
        *check_subscriptions(registered),
        *check_modes(registered, parts.one_store),
        *check_transport(registered, has_transport=parts.transport is not None),
        *check_caches(registered, queries, projections),
        *check_served(registered, queries, parts.requests, parts.transport),
        *check_views(projections, queries),
        *learn_events(registered, events, event_types),
        *check_secrets(registered, events, planner.views),
        *learn_commands(registered, command_types),
        *check_stores(planner, parts.write, parts.event_sourced),
    ]
    services = _services(parts, aggregates, event_types, command_types)
    inline = [projection for projection in projections.values() if projection is not None and projection.inline]
    services.write.inline.extend(inline_step(projection, services) for projection in inline)
    _route_commands(parts, commands, services, inline)
    broker = (
        Broker(parts.transport, [feed(parts, each) for each in registered.consumed])
        if parts.transport is not None
        else None
    )
    subscriptions = [
        *projection_subscriptions(parts, projections, services),
        *event_handler_subscriptions(parts, event_handlers, services),
        *relay_subscriptions(parts, broker),
    ]
    reads = {entry.message: _reads(entry, plan, subscriptions) for entry, plan in queries.items()}
    answers = Answers(parts.cache) if parts.cache is not None else None
    cached = cached_queries(parts.registered.queries, reads)
    _route_queries(parts, queries, services, reads, cached, answers)
    subscriptions.extend(cache_subscriptions(parts, cached, services.consistency))
    return Assembly(
        faults=faults,
        services=services,
        event_types=event_types,
        answers=answers,
        cached=cached,
        inline=inline,
        subscriptions=subscriptions,
        broker=broker,
        views=sorted(planner.views, key=lambda view: view.view_name),
    )


def _reads(entry: QueryEntry, plan: Planned | None, subscriptions: Sequence[Subscription]) -> Sequence[str]:
    """Return the asynchronous projections that a query reads: those that it names, and those that write its views."""
    views = plan.views if plan is not None else frozenset[type[View]]()
    return [
        each.name
        for each in subscriptions
        if isinstance(each.processor, ProjectionProcessor)
        and (each.name in entry.reads or views & each.processor.projection.views)
    ]


def _services(
    parts: Parts,
    aggregates: Sequence[type[Aggregate]],
    event_types: EventTypes,
    command_types: WireTypes[Command[Any]],
) -> Services:
    running, appended = RunningTask(), Signal()
    command_pipelines: dict[type[Command[Any]], Pipeline] = {}
    query_pipelines: dict[type[Query[Any]], Pipeline] = {}
    storages: dict[type[Aggregate], Storage] = {
        aggregate: Kept(EventSourced(aggregate, event_types), "events")
        if aggregate in parts.event_sourced
        else Kept(StateStored(), "state")
        for aggregate in aggregates
    }
    return Services(
        write=WriteSide(parts.write, storages, [], parts.clock, parts.ids, running),
        read=parts.read,
        commands=PipelineCommandBus(command_pipelines),
        queries=PipelineQueryBus(query_pipelines),
        events=RecordingEventBus(),
        command_pipelines=command_pipelines,
        query_pipelines=query_pipelines,
        command_types=command_types,
        consistency=Consistency(parts.write.log, parts.read),
        conversations=Conversations(running),
        running=running,
        appended=appended,
        committed=Signal(appended),
    )


def _route_commands(
    parts: Parts, planned: Mapping[CommandEntry, Planned | None], services: Services, inline: Sequence[Projection]
) -> None:
    turns = Turns()
    for entry, plan in planned.items():
        if plan is None:
            continue
        steps = command_steps(
            services,
            _described(entry, plan),
            middleware=middleware_of(parts, entry.message),
            inside=middleware_of(parts, entry.message, inside=True),
            key=entry.key,
            turns=turns,
            inline=[projection.name for projection in inline],
        )
        services.command_pipelines[entry.message] = pipeline(entry.message, steps, plan.invoke)


def _route_queries(
    parts: Parts,
    planned: Mapping[QueryEntry, Planned | None],
    services: Services,
    reads: Mapping[type[Query[Any]], Sequence[str]],
    cached: Sequence[CachedQuery],
    answers: Answers | None,
) -> None:
    kept = {query.message: query for query in cached}
    for entry, plan in planned.items():
        if plan is None:
            continue
        cache = None
        if entry.message in kept and answers is not None:
            cache = Caching(kept[entry.message], answers, parts.write, parts.read).step()
        steps = query_steps(
            services,
            _described(entry, plan),
            reads=reads[entry.message],
            middleware=middleware_of(parts, entry.message),
            cache=cache,
            streams=plan.streams,
        )
        services.query_pipelines[entry.message] = pipeline(
            entry.message, steps, plan.invoke, reads=reads[entry.message], streams=plan.streams
        )


def _described(entry: Entry, plan: Planned) -> str:
    given = f" given {'; '.join(plan.injected)}" if plan.injected else ""
    return f"handler {entry.label} ({entry.place}){given}"
