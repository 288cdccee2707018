"""The pipelines of queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._caching.pipeline import Caching
from .._definitions.message import Query
from .._dispatch.gathering import Answerer, several
from .._dispatch.pipeline import pipeline
from .._dispatch.query_pipeline import query_steps
from .._dispatch.services import Services
from .._registration.entries import Entry, QueryEntry
from .._subscriptions.projection import Projection
from .answerers import remote_answerers
from .parts import Parts
from .planner import Planned
from .subscriptions import middleware_of


def reads_by_query(
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


def route_queries(
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
            described(entry, plan),
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
    for message, remote in remote_answerers(parts).items():
        answerers.setdefault(message, {}).update(remote)
    services.answerers.update(answerers)
    services.query_pipelines.update({each: several(each, named) for each, named in answerers.items()})


def described(entry: Entry, plan: Planned) -> str:
    """Describe a handler for `explain`."""
    given = f" given {'; '.join(plan.injected)}" if plan.injected else ""
    return f"handler {entry.label} ({entry.place.file}:{entry.place.line}){given}"
