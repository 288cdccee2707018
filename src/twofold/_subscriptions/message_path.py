"""The path of an interaction through the application: the tree of its messages, from their recorded causes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias
from uuid import UUID

from .browsing import EventRecord

HandlerState: TypeAlias = Literal["passed", "waiting", "retrying", "parked"]
"""The progress of a subscription with an event: "passed" includes events that it skipped or does not start with."""


@dataclass(frozen=True, slots=True)
class PathHandler:
    """A subscription that receives an event of a path.

    Attributes:
        subscription: the name of the subscription.
        kind: "projection", "event_handler" or "relay".
        state: "passed", "waiting" (not yet reached), "retrying" or "parked".
        attempts: the failed attempts of an event that is retried or parked.
        reason: why the event is retried or parked; empty otherwise.
    """

    subscription: str
    kind: str
    state: HandlerState
    attempts: int = 0
    reason: str = ""


@dataclass(slots=True)
class PathNode:
    """A message of a path.

    Attributes:
        id: the id of the message.
        name: its name; None if it is not known. A command without a stable name has that of its class.
        event: the event as it is recorded; None for a message that is not stored, which is a command in most cases.
        handlers: the subscriptions that receive the event.
        children: the messages that its handlers have sent, in the order of the log.
    """

    id: UUID
    name: str | None
    event: EventRecord | None = None
    handlers: tuple[PathHandler, ...] = ()
    children: list[PathNode] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class MessagePath:
    """The messages of one correlation id.

    Attributes:
        correlation_id: the correlation id.
        roots: the first messages. There are several if the cause of a message is not recorded, or is not among the messages.
        complete: whether the path has all events of the correlation id. Otherwise earlier messages are missing.
    """

    correlation_id: UUID
    roots: tuple[PathNode, ...]
    complete: bool


def tree_of(
    records: Sequence[EventRecord], handlers: Callable[[EventRecord], tuple[PathHandler, ...]]
) -> tuple[PathNode, ...]:
    """Return the roots of the tree of some events.

    A message that recorded events and is not an event itself is a node, too, as far as the events know it.

    Args:
        records: the events, in the order of the log.
        handlers: returns the subscriptions that receive an event.
    """
    nodes = {each.id: PathNode(each.id, each.name, each, handlers(each)) for each in records}
    causes: dict[UUID, UUID | None] = {each.id: each.causation_id for each in records}
    ordered: list[PathNode] = []
    for each in records:
        cause = each.causation_id
        if cause is not None and cause not in nodes:
            nodes[cause] = PathNode(cause, each.cause)
            causes[cause] = each.cause_of_cause
            ordered.append(nodes[cause])
        ordered.append(nodes[each.id])
    roots: list[PathNode] = []
    for node in ordered:
        cause = causes[node.id]
        above = None if cause is None or cause == node.id else nodes.get(cause)
        (roots if above is None else above.children).append(node)
    return tuple(roots)
