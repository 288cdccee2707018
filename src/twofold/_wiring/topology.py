"""Read the topology of an application from its wiring."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from .._definitions.message import Event
from .._definitions.subclasses import is_handled
from .._definitions.topology import Topology, TopologyEdge, TopologyNode
from .._processes.inputs import INPUTS
from .._registration.registered import Registered
from .._subscriptions.projection import ProjectionProcessor
from .assembly import Assembly


def topology(name: str, registered: Registered, assembly: Assembly) -> Topology:
    """Return the topology of an application."""
    edges = sorted(
        {
            *_commands(assembly),
            *_sources(registered),
            *_subscriptions(assembly),
            *_queries(assembly),
        }
    )
    found = [
        *(TopologyNode("command", entry.message.__name__) for entry in assembly.commands),
        *(TopologyNode("query", entry.message.__name__) for entry in assembly.queries),
        *(node for edge in edges for node in (edge.source, edge.target)),
    ]
    return Topology(name, tuple(dict.fromkeys(found)), tuple(edges))


def _commands(assembly: Assembly) -> Iterator[TopologyEdge]:
    for entry, plan in assembly.commands.items():
        for aggregate in plan.aggregates if plan is not None else ():
            yield TopologyEdge(
                TopologyNode("command", entry.message.__name__), TopologyNode("aggregate", aggregate.aggregate_name)
            )
    for aggregate in assembly.aggregates:
        for event in aggregate._appliers:
            yield TopologyEdge(TopologyNode("aggregate", aggregate.aggregate_name), _event(event))


def _sources(registered: Registered) -> Iterator[TopologyEdge]:
    for entry in registered.consumed:
        for event in entry.events:
            yield TopologyEdge(TopologyNode("source", entry.source), _event(event))


def _subscriptions(assembly: Assembly) -> Iterator[TopologyEdge]:
    known = assembly.event_types.by_name.values()
    for projection in assembly.inline:
        yield from _projection(projection.name, projection.events, projection.views, known)
    for each in assembly.subscriptions:
        if isinstance(each.processor, ProjectionProcessor):
            yield from _projection(each.name, each.events, each.processor.projection.views, known)
            continue
        kind: Any = each.kind
        for event in _handled(each.events, known):
            yield TopologyEdge(_event(event), TopologyNode(kind, each.name))


def _projection(
    name: str, events: frozenset[str] | None, views: Collection[Any], known: Collection[type[Event]]
) -> Iterator[TopologyEdge]:
    node = TopologyNode("projection", name)
    for event in _handled(events, known):
        yield TopologyEdge(_event(event), node)
    for view in views:
        yield TopologyEdge(node, TopologyNode("view", view.view_name))


def _queries(assembly: Assembly) -> Iterator[TopologyEdge]:
    for entry, plan in assembly.queries.items():
        query = TopologyNode("query", entry.message.__name__)
        for view in plan.views if plan is not None else ():
            yield TopologyEdge(TopologyNode("view", view.view_name), query)
        for name in entry.reads:
            yield TopologyEdge(TopologyNode("projection", name), query)


def _handled(events: frozenset[str] | None, known: Collection[type[Event]]) -> Iterator[type[Event]]:
    if events is None:
        yield Event
        return
    yield from (event for event in known if event not in INPUTS and is_handled(events, event))


def _event(event: type[Event]) -> TopologyNode:
    return TopologyNode("event", event.__name__)
