"""Draw the topology of an application."""

from __future__ import annotations

from twofold import Topology, TopologyNode

_SHAPES = {
    "command": '["{}"]',
    "query": '["{}"]',
    "aggregate": '[["{}"]]',
    "event": '(["{}"])',
    "view": '[("{}")]',
    "source": '>"{}"]',
    "relay": '[/"{}"/]',
}
_COLUMNS = (
    "command",
    "source",
    "aggregate",
    "event",
    "projection",
    "event_handler",
    "process",
    "relay",
    "cache",
    "view",
    "query",
)


def as_mermaid(topology: Topology) -> str:
    """Return the topology as a Mermaid flowchart from left to right."""
    numbers = {node: f"n{number}" for number, node in enumerate(topology.nodes)}
    nodes = [f"    {numbers[node]}{_shape(node)}:::{node.kind}" for node in topology.nodes]
    edges = [f"    {numbers[edge.source]} --> {numbers[edge.target]}" for edge in topology.edges]
    return "\n".join(["flowchart LR", *nodes, *edges])


def as_text(topology: Topology) -> str:
    """Return the topology as text: each part with the parts that it leads to, in the order of the flow."""
    lines = [topology.application]
    for kind in _COLUMNS:
        for node in sorted(each for each in topology.nodes if each.kind == kind):
            targets = [f"{edge.target.name} ({_word(edge.target)})" for edge in topology.edges if edge.source == node]
            lines.append(f"  {_word(node)} {node.name}" + (f" -> {', '.join(targets)}" if targets else ""))
    return "\n".join(lines)


def _shape(node: TopologyNode) -> str:
    return _SHAPES.get(node.kind, '("{}")').format(node.name.replace('"', "#quot;"))


def _word(node: TopologyNode) -> str:
    return node.kind.replace("_", " ")
