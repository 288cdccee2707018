"""Assemble an application: plan every handler, find every fault, compose every way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._background.key_locks import KeyLocks
from .._buses.chain import compose
from .._buses.command_bus import CommandBus
from .._buses.query_bus import QueryBus
from .._caching.answers import Answers
from .._caching.cached_query import CachedQuery, cached_queries
from .._caching.pipeline import Caching
from .._consistency.waiting import Consistency
from .._definitions.aggregate import Aggregate
from .._definitions.message import Command, Query
from .._definitions.view import View
from .._dispatch.pipelines import command_route, once_route, one_at_a_time, query_route, stream_route
from .._dispatch.recording import RecordingEventBus
from .._dispatch.services import Services
from .._dispatch.session import Session
from .._encoding.event_types import EventTypes
from .._encoding.wire_types import WireTypes
from .._integration.broker import Broker
from .._registration.entries import CommandEntry, QueryEntry
from .._subscriptions.effects import ProjectionEffect
from .._subscriptions.inline import inline_step
from .._subscriptions.projection import Projection
from .._subscriptions.subscription import Subscription
from .._writing.event_sourced import EventSourced
from .._writing.storage import AggregateRemoved, Kept, StateStored, Storage
from .._writing.write_side import WriteSide
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
        reads: the projections that each query reads and that may be behind.
        inline: the projections that commands apply themselves.
        subscriptions: the asynchronous projections, the event handlers and the relays.
        broker: the broker, with what is received from it.
        consistency: knows how far the projections are.
        answers: the cache.
        cached: the queries whose answers it keeps.
        views: every view that is read or written.
        planned: how each command and query is handled, for `explain`.
    """

    faults: Sequence[Fault]
    services: Services
    event_types: EventTypes
    reads: Mapping[type[Query[Any]], Sequence[str]]
    inline: Sequence[Projection]
    subscriptions: Sequence[Subscription]
    broker: Broker | None
    consistency: Consistency
    answers: Answers | None
    cached: Sequence[CachedQuery]
    views: Sequence[type[View]]
    planned: Mapping[type[Any], Planned]


def assemble(parts: Parts, new_session: Callable[[], Session], committed: Callable[[], None]) -> Assembly:
    """Plan everything that an application has registered.

    Args:
        parts: what the application is composed of.
        new_session: opens a session for a message that was dispatched without one.
        committed: called after events were committed.
    """
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
    services = _services(parts, aggregates, event_types, command_types, new_session)
    inline = [projection for projection in projections.values() if projection is not None and projection.inline]
    services.write.inline.extend(inline_step(projection, services) for projection in inline)
    _route_commands(parts, commands, services, committed)
    broker = (
        Broker(parts.transport, [feed(parts, each) for each in registered.consumed])
        if parts.transport is not None
        else None
    )
    subscriptions = [
        *projection_subscriptions(parts, projections, services),
        *event_handler_subscriptions(parts, event_handlers, services, committed),
        *relay_subscriptions(parts, broker),
    ]
    reads = {entry.message: _reads(entry, plan, subscriptions) for entry, plan in queries.items()}
    answers = Answers(parts.cache) if parts.cache is not None else None
    cached, consistency = cached_queries(parts.registered.queries, reads), Consistency(parts.write.log, parts.read)
    _route_queries(parts, queries, services, cached, answers)
    subscriptions.extend(cache_subscriptions(parts, cached, consistency))
    planned: dict[type[Any], Planned] = {entry.message: plan for entry, plan in commands.items() if plan is not None}
    planned.update({entry.message: plan for entry, plan in queries.items() if plan is not None})
    return Assembly(
        faults=faults,
        services=services,
        event_types=event_types,
        reads=reads,
        consistency=consistency,
        answers=answers,
        cached=cached,
        inline=inline,
        subscriptions=subscriptions,
        broker=broker,
        views=sorted(planner.views, key=lambda view: view.view_name),
        planned=planned,
    )


def _reads(entry: QueryEntry, plan: Planned | None, subscriptions: Sequence[Subscription]) -> Sequence[str]:
    """Return the projections that a query reads and that may be behind: those named, and those that write its views."""
    views = plan.views if plan is not None else frozenset[type[View]]()
    return [
        each.name
        for each in subscriptions
        if isinstance(each.effect, ProjectionEffect)
        and (each.name in entry.reads or views & each.effect.projection.views)
    ]


def _services(
    parts: Parts,
    aggregates: Sequence[type[Aggregate]],
    event_types: EventTypes,
    command_types: WireTypes[Command[Any]],
    new_session: Callable[[], Session],
) -> Services:
    storages: dict[type[Aggregate], Storage] = {
        aggregate: Kept(EventSourced(aggregate, event_types), "events")
        if aggregate in parts.event_sourced
        else Kept(StateStored(), "state")
        for aggregate in aggregates
    }
    return Services(
        write=WriteSide(parts.write, storages, [], parts.clock, parts.ids),
        read=parts.read,
        commands=CommandBus(),
        queries=QueryBus(),
        events=RecordingEventBus(),
        once=CommandBus(),
        new_session=new_session,
        command_types=command_types,
    )


def _route_commands(
    parts: Parts,
    planned: Mapping[CommandEntry, Planned | None],
    services: Services,
    committed: Callable[[], None],
) -> None:
    locks, repeats = KeyLocks(), KeyLocks()
    for entry, plan in planned.items():
        if plan is None:
            continue
        inside, outside = middleware_of(parts, entry.message, inside=True), middleware_of(parts, entry.message)
        handle = command_route(plan.invoke, services, committed, inside)
        once = once_route(plan.invoke, services, committed, inside, repeats)
        if entry.key is not None:
            handle, once = one_at_a_time(handle, entry.key, locks), one_at_a_time(once, entry.key, locks)
        services.commands._routes[entry.message] = compose(outside, handle)
        services.once._routes[entry.message] = compose(outside, once)


def _route_queries(
    parts: Parts,
    planned: Mapping[QueryEntry, Planned | None],
    services: Services,
    cached: Sequence[CachedQuery],
    answers: Answers | None,
) -> None:
    kept = {query.message: query for query in cached}
    for entry, plan in planned.items():
        if plan is None:
            continue
        handle = stream_route(plan.invoke, services) if plan.streams else query_route(plan.invoke, services)
        if entry.message in kept and answers is not None:
            handle = Caching(kept[entry.message], answers, parts.write, parts.read).around(handle)
        services.queries._route(
            entry.message, compose(middleware_of(parts, entry.message), handle), streams=plan.streams
        )
