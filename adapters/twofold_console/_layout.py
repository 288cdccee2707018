"""Lay out the topology as a graph in columns, from commands to queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from twofold import Topology, TopologyNode

_COLUMNS = (
    ("Commands and sources", ("command", "source")),
    ("Aggregates", ("aggregate",)),
    ("Events", ("event",)),
    ("Subscriptions", ("projection", "event_handler", "process", "relay", "cache")),
    ("Views", ("view",)),
    ("Queries", ("query",)),
)
_WIDTH, _HEIGHT, _GAP, _ROW, _TOP = 172, 32, 56, 42, 40
_TALL = 12
"""Columns of a graph with more rows begin at its top, so that the first screen shows something of each column."""


class Box(NamedTuple):
    """A node with its place."""

    node: TopologyNode
    x: float
    y: float
    width: float
    height: float


class Graph(NamedTuple):
    """A drawing of a topology: boxes, the curves between them, and the titles of the columns with their places."""

    boxes: Sequence[Box]
    curves: Sequence[str]
    titles: Sequence[tuple[float, str]]
    width: float
    height: float


def around(topology: Topology, node: TopologyNode) -> Topology:
    """Return only what leads to a node, and what the node leads to."""
    kept = {node} | _reached(topology, node, forwards=True) | _reached(topology, node, forwards=False)
    return Topology(
        topology.application,
        [each for each in topology.nodes if each in kept],
        [each for each in topology.edges if each.source in kept and each.target in kept],
    )


def layout(topology: Topology) -> Graph:
    """Place the nodes of each kind in a column, near to the nodes that they are connected with."""
    columns = [(title, [each for each in topology.nodes if each.kind in kinds]) for title, kinds in _COLUMNS]
    columns = [(title, nodes) for title, nodes in columns if nodes]
    _untangle(topology, [nodes for _, nodes in columns])
    tallest = max((len(nodes) for _, nodes in columns), default=0)
    boxes, titles = dict[TopologyNode, Box](), list[tuple[float, str]]()
    for index, (title, nodes) in enumerate(columns):
        x, spread = 8 + index * (_WIDTH + _GAP), min(tallest * _ROW / len(nodes), 1.6 * _ROW)
        top = _TOP if tallest > _TALL else _TOP + (tallest * _ROW - spread * len(nodes)) / 2
        titles.append((x, title))
        for row, node in enumerate(nodes):
            y = top + spread * (row + 0.5) - _HEIGHT / 2
            boxes[node] = Box(node, x, round(y, 1), _WIDTH, _HEIGHT)
    curves = [_curve(boxes[each.source], boxes[each.target]) for each in topology.edges]
    width = 16 + len(columns) * (_WIDTH + _GAP) - _GAP
    return Graph(list(boxes.values()), curves, titles, max(width, 0), _TOP + tallest * _ROW + 8)


def _untangle(topology: Topology, columns: Sequence[list[TopologyNode]]) -> None:
    """Order each column by the mean place of the neighbours (the barycenter heuristic of layered graph drawing)."""
    neighbours = defaultdict[TopologyNode, list[TopologyNode]](list)
    for edge in topology.edges:
        neighbours[edge.source].append(edge.target)
        neighbours[edge.target].append(edge.source)
    for _ in range(6):
        for column in (*columns, *reversed(columns)):
            places = _places(columns)
            column.sort(key=lambda node: _mean([places[each] for each in neighbours[node]], places[node]))


def _places(columns: Sequence[Sequence[TopologyNode]]) -> Mapping[TopologyNode, float]:
    return {node: (row + 0.5) / len(column) for column in columns for row, node in enumerate(column)}


def _mean(places: Sequence[float], own: float) -> float:
    return sum(places) / len(places) if places else own


def _curve(source: Box, target: Box) -> str:
    begin, end = source.x + source.width, target.x
    from_y, to_y = source.y + source.height / 2, target.y + target.height / 2
    bend = (end - begin) / 2
    return f"M{begin} {from_y:.1f}C{begin + bend} {from_y:.1f} {end - bend} {to_y:.1f} {end} {to_y:.1f}"


def _reached(topology: Topology, node: TopologyNode, *, forwards: bool) -> set[TopologyNode]:
    found, waiting = set[TopologyNode](), [node]
    while waiting:
        here = waiting.pop()
        for edge in topology.edges:
            source, target = (edge.source, edge.target) if forwards else (edge.target, edge.source)
            if source == here and target not in found:
                found.add(target)
                waiting.append(target)
    return found
