"""Assemble an application: plan handlers, check the wiring, and build the pipelines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._background.key_locks import KeyLocks
from .._background.signal import Signal
from .._background.tasks import RunningTask
from .._caching.answers import Answers
from .._caching.cached_query import CachedQuery
from .._caching.invalidation import CommitInvalidation
from .._caching.pipeline import Caching
from .._consistency.conversation import Conversations
from .._consistency.known import KnownEvents
from .._consistency.marks import Marks
from .._consistency.waiting import Consistency
from .._definitions.aggregate import Aggregate
from .._definitions.message import Command, Event, Query
from .._definitions.view import View
from .._dispatch.buses import PipelineCommandBus, PipelineQueryBus, RecordingEventBus
from .._dispatch.gathering import Answerer, several
from .._dispatch.pipeline import command_steps, pipeline
from .._dispatch.query_pipeline import query_steps
from .._dispatch.services import Services
from .._dispatch.steps import Pipeline
from .._dispatch.telemetry_steps import recorded_wait
from .._encoding.wire_types import EventTypes, WireTypes
from .._integration.broker import Broker
from .._processes.inputs import INPUTS, ProcessTimeout
from .._registration.entries import CommandEntry, Entry, QueryEntry
from .._registration.registered import Registered
from .._subscriptions.inline import inline_step
from .._subscriptions.projection import Projection
from .._subscriptions.subscription import Subscription, recorded_subscription
from .._telemetry.open_telemetry import recorder_of
from .._writing.event_sourced import EventSourced
from .._writing.inline import InlineProjections
from .._writing.recorded_side import recorded_side
from .._writing.storage import Kept, StateStored, Storage, WriteSide
from .._writing.tracked import AggregateRemoved
from ..errors import Fault, UndecodableCommand
from .answerers import check_answerers, remote_answerers
from .caches import cache_subscriptions, cached_queries, check_caches
from .check_handlers import (
    check_handlers,
    check_middleware,
    check_modes,
    check_secrets,
    check_stores,
    check_subscriptions,
    check_views,
    learn_commands,
)
from .check_names import check_names
from .check_processes import check_processes
from .check_transport import check_served, check_transport
from .known_events import learn_all_events, learn_events, named_events, with_subclasses
from .parts import Parts
from .planner import Planned, Planner
from .processes import TIMEOUT, process_subscriptions, starting
from .subscriptions import (
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
        faults: the faults of the wiring.
        services: the services for handlers.
        event_types: the known event types.
        inline: the projections that commands apply themselves.
        subscriptions: the asynchronous projections, the event handlers, the processes and the relays.
        broker: the broker, with the feeds that are received from it.
        answers: the cache.
        cached: the queries whose answers it keeps.
        writes: whether a handler or a feed can append events.
        views: every view that is read or written.
        aggregates: every aggregate, by name.
        commands: the planned handlers of commands.
        queries: the planned handlers of queries.
    """

    faults: Sequence[Fault]
    services: Services
    event_types: EventTypes
    inline: Sequence[Projection]
    subscriptions: Sequence[Subscription]
    broker: Broker | None
    answers: Answers | None
    cached: Sequence[CachedQuery]
    writes: bool
    views: Sequence[type[View]]
    aggregates: Sequence[type[Aggregate]]
    commands: Mapping[CommandEntry, Planned | None]
    queries: Mapping[QueryEntry, Planned | None]


def assemble(parts: Parts) -> Assembly:
    """Plan everything that an application has registered."""
    registered, planner = parts.registered, Planner(parts.container)
    commands = {entry: planner.handler(entry, "command") for entry in registered.commands}
    queries = {entry: planner.handler(entry, "query") for entry in registered.queries}
    event_handlers = {entry: planner.handler(entry, "event_handler") for entry in registered.event_handlers}
    projections = {entry: planner.projection(entry) for entry in registered.projections}
    aggregates = sorted(planner.aggregates | set(parts.event_sourced), key=lambda each: each.__qualname__)
    named, event_types = named_events(registered, aggregates), EventTypes()
    events = with_subclasses(named)
    event_types.add(AggregateRemoved)
    for each in INPUTS if registered.processes else ():
        event_types.add(each)
    command_types: WireTypes[Command[Any]] = WireTypes("command", UndecodableCommand)
    faults = [
        *planner.faults,
        *check_handlers(registered),
        *check_middleware(registered),
        *check_subscriptions(registered),
        *check_modes(registered, parts.read is parts.write),
        *check_names(registered, aggregates, planner.views),
        *check_transport(registered, has_transport=parts.transport is not None),
        *check_caches(registered, queries, projections),
        *(check_processes(registered, parts.requests) if registered.processes else ()),
        *check_served(registered, queries, parts.requests, parts.transport),
        *(check_answerers(registered, queries, parts.requests) if _has_answerers(registered) else ()),
        *check_views(projections, queries),
        *learn_events(registered, events, event_types),
        *check_secrets(events, planner.views),
        *learn_commands(registered, command_types),
        *check_stores(planner, parts.write, parts.event_sourced),
    ]
    if Event in named:
        learn_all_events(event_types)
    services = _services(parts, aggregates, event_types, command_types, tuple(named))
    inline = [projection for projection in projections.values() if projection is not None and projection.inline]
    services.write.inline.projections.extend(inline_step(projection, services, event_types) for projection in inline)
    broker = (
        Broker(parts.transport, [feed(parts, each) for each in registered.consumed])
        if parts.transport is not None
        else None
    )
    subscriptions = [
        *projection_subscriptions(parts, projections, services),
        *event_handler_subscriptions(parts, event_handlers, services),
        *(process_subscriptions(parts, services) if registered.processes else ()),
        *relay_subscriptions(parts, broker, services.recorder),
    ]
    for subscription in subscriptions:
        services.consistency.applied[subscription.name] = subscription.events
    reads = _reads(queries, [each for each in projections.values() if each is not None and not each.inline])
    answers = Answers(parts.cache) if parts.cache is not None else None
    cached = cached_queries(parts.registered.queries, reads, _reads(queries, inline))
    cachings = [Caching(each, answers, services) for each in cached] if answers is not None else []
    asynchronous = [each for each in projections.values() if each is not None and not each.inline]
    _route_queries(parts, queries, services, asynchronous, {each.query.message: each for each in cachings})
    # The commit of a command changes the answers of queries that read an inline projection, or no projection.
    changed = [each for each in cachings if each.query.subscription and (each.query.inline or not each.query.reads)]
    if changed and answers is not None:
        services.write.committed.append(CommitInvalidation(changed, answers, parts.write, event_types))
    timeout = {TIMEOUT: planner.handler(TIMEOUT, "command")} if registered.processes else {}
    if timeout:
        command_types.add(ProcessTimeout)
    _route_commands(parts, {**commands, **timeout}, services, inline, [each.query.message.__name__ for each in changed])
    subscriptions.extend(cache_subscriptions(parts, cached, services.consistency))
    if services.recorder.on:
        subscriptions = [recorded_subscription(each, services.recorder) for each in subscriptions]
    return Assembly(
        faults=faults,
        services=services,
        event_types=event_types,
        answers=answers,
        cached=cached,
        writes=bool(registered.commands or registered.event_handlers or registered.processes or registered.consumed),
        inline=inline,
        subscriptions=subscriptions,
        broker=broker,
        views=sorted(planner.views, key=lambda view: view.view_name),
        aggregates=aggregates,
        commands=commands,
        queries=queries,
    )


def _services(
    parts: Parts,
    aggregates: Sequence[type[Aggregate]],
    event_types: EventTypes,
    command_types: WireTypes[Command[Any]],
    handled_types: tuple[type[Event], ...],
) -> Services:
    running, changed, known = RunningTask(), Signal(), KnownEvents(parts.write)
    appended, moved, recorder = Signal(changed), Signal(changed), recorder_of(parts.telemetry, parts.name)
    consistency = Consistency(parts.write, parts.read, known, moved)
    command_pipelines: dict[type[Command[Any]], Pipeline] = {}
    query_pipelines: dict[type[Query[Any]], Pipeline] = {}
    answerers: dict[type[Query[Any]], Mapping[str, Answerer]] = {}
    storages: dict[type[Aggregate], Storage] = {
        aggregate: Kept(EventSourced(aggregate, event_types), "events")
        if aggregate in parts.event_sourced
        else Kept(StateStored(), "state")
        for aggregate in aggregates
    }
    write = WriteSide(
        parts.write, storages, InlineProjections(), [], parts.clock, parts.ids, running, event_types, handled_types
    )
    return Services(
        write=recorded_side(write, recorder) if recorder.on else write,
        read=parts.read,
        commands=PipelineCommandBus(command_pipelines),
        queries=PipelineQueryBus(query_pipelines),
        events=RecordingEventBus(),
        command_pipelines=command_pipelines,
        query_pipelines=query_pipelines,
        answerers=answerers,
        command_types=command_types,
        consistency=consistency,
        wait=recorded_wait(recorder, consistency) if recorder.on else consistency.wait,
        conversations=Conversations(running, known),
        running=running,
        changed=changed,
        marks=Marks(consistency),
        appended=appended,
        committed=Signal(appended),
        recorder=recorder,
        current_trace=recorder.trace if recorder.on else None,
    )  # fmt: skip


def _route_commands(
    parts: Parts,
    planned: Mapping[CommandEntry, Planned | None],
    services: Services,
    inline: Sequence[Projection],
    outdated: Sequence[str],
) -> None:
    locks = KeyLocks()
    for entry, plan in planned.items():
        if plan is None:
            continue
        steps = command_steps(
            services,
            entry.message,
            _described(entry, plan),
            middleware=middleware_of(parts, entry.message) if entry is not TIMEOUT else (),
            inside=middleware_of(parts, entry.message, inside=True) if entry is not TIMEOUT else (),
            key=entry.key,
            locks=locks,
            inline=[projection.name for projection in inline],
            outdated=outdated,
        )
        invoke = plan.recorded(services.recorder, "command", entry.message)
        if parts.registered.processes:
            invoke = starting(parts.registered, entry.message, invoke)
        services.command_pipelines[entry.message] = pipeline(entry.message, steps, invoke)


def _reads(
    queries: Mapping[QueryEntry, Planned | None], projections: Sequence[Projection]
) -> Mapping[type[Query[Any]], Sequence[str]]:
    """Return the projections that each query with one handler reads."""
    return {
        entry.message: _reads_of(entry, plan, projections) for entry, plan in queries.items() if entry.answerer is None
    }


def _reads_of(entry: QueryEntry, plan: Planned | None, projections: Sequence[Projection]) -> Sequence[str]:
    """Return the projections that a handler reads: those that it names, and those that write its views."""
    views = plan.views if plan is not None else frozenset()
    return [each.name for each in projections if each.name in entry.reads or each.views & views]


def _route_queries(
    parts: Parts,
    planned: Mapping[QueryEntry, Planned | None],
    services: Services,
    projections: Sequence[Projection],
    cachings: Mapping[type[Query[Any]], Caching],
) -> None:
    """Build the pipeline of each query, and of each answerer of a query that has several."""
    answerers: dict[type[Query[Any]], dict[str, Answerer]] = {}
    for entry, plan in planned.items():
        if plan is None:
            continue
        caching = cachings.get(entry.message) if entry.answerer is None else None
        reads = _reads_of(entry, plan, projections)
        steps = query_steps(
            services,
            entry.message,
            _described(entry, plan),
            reads=reads,
            middleware=middleware_of(parts, entry.message),
            cache=caching.step() if caching is not None else None,
            streams=plan.streams,
        )
        invoke = plan.recorded(services.recorder, "query", entry.message)
        route = pipeline(entry.message, steps, invoke, reads=reads, streams=plan.streams)
        if entry.answerer is None:
            services.query_pipelines[entry.message] = route
        else:
            answerers.setdefault(entry.message, {})[entry.answerer] = route
    for message, remote in remote_answerers(parts).items() if parts.registered.answerers else ():
        answerers.setdefault(message, {}).update(remote)
    services.answerers.update(answerers)
    services.query_pipelines.update({each: several(each, named) for each, named in answerers.items()})


def _has_answerers(registered: Registered) -> bool:
    return bool(registered.answerers) or any(entry.answerer is not None for entry in registered.queries)


def _described(entry: Entry, plan: Planned) -> str:
    """Describe a handler for `explain`."""
    given = f" given {'; '.join(plan.injected)}" if plan.injected else ""
    return f"handler {entry.label} ({entry.place.file}:{entry.place.line}){given}"
