"""The topology of an application: its messages, aggregates, subscriptions and views, and what flows between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

NodeKind: TypeAlias = Literal[
    "command",
    "aggregate",
    "source",
    "event",
    "projection",
    "event_handler",
    "process",
    "relay",
    "cache",
    "view",
    "query",
]


@dataclass(frozen=True, slots=True, order=True)
class TopologyNode:
    """A part of an application.

    Attributes:
        kind: the kind of part. A "source" is another application whose events are consumed.
        name: the name of the class for messages; the registered name for others.
    """

    kind: NodeKind
    name: str


@dataclass(frozen=True, slots=True, order=True)
class TopologyEdge:
    """A flow from one part of an application to another: the message, the event or the row goes this way."""

    source: TopologyNode
    target: TopologyNode


@dataclass(frozen=True, slots=True)
class Topology:
    """The parts of an application, and the flows between them, as the registered handlers declare them.

    A command leads to the aggregates whose repositories its handler takes, and an aggregate to the events that it applies.
    Events that a handler publishes by `EventBus`, and commands that an event handler dispatches, are not declared, so they
    are not part of it.

    Attributes:
        application: the name of the application.
        nodes: the parts, in the order of their registration.
        edges: the flows.
    """

    application: str
    nodes: Sequence[TopologyNode]
    edges: Sequence[TopologyEdge]
