"""The path of a message: everything with one correlation id, across services, as a timeline."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from twofold import Application, EventRecord, PathHandler, PathNode


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a path.

    Attributes:
        kind: "message" for a message that is not stored, which is a command in most cases; "event" or "scheduled".
        service: the application in which it happened. A received event has the names of the source and the receiver.
        name: its name; empty if it is not known.
        id: the id.
        time: when; None if it is not known.
        depth: the number of causes before it.
        record: the event, for an event.
        handlers: what the subscriptions have done with the event.
        place: its place between the first step (0) and the last one (1).
    """

    kind: str
    service: str
    name: str
    id: str
    time: datetime | None
    depth: int = 0
    record: EventRecord | None = None
    handlers: Sequence[PathHandler] = ()
    place: float = 0.0


@dataclass(frozen=True, slots=True)
class Timeline:
    """The path of a message.

    Attributes:
        steps: the steps in the order of time.
        services: the services that took part, in the order of their first step.
        begin: the time of the first step; None without steps.
        seconds: the time from the first step to the last, without scheduled commands.
        complete: whether the path has all events of the correlation id.
    """

    steps: Sequence[Step]
    services: Sequence[str]
    begin: datetime | None
    seconds: float
    complete: bool


async def timeline(correlation_id: UUID, services: Sequence[Application]) -> Timeline:
    """Collect the path of a message from the logs of several applications."""
    steps, complete = list[Step](), True
    for application in services:
        path = await application.operations.path(correlation_id)
        complete &= path.complete
        topology = application.operations.topology()
        sources = {node.name for node in topology.nodes if node.kind == "source"}
        for root in path.roots:
            steps += _flat(root, application.name, sources, 0)
        for command in await application.operations.scheduled(limit=1_000):
            if json.loads(command.metadata).get("correlation_id") == str(correlation_id):
                steps.append(Step("scheduled", application.name, command.name, command.id, command.due))
    steps.sort(key=lambda step: (step.time or datetime.max.replace(tzinfo=UTC), step.depth))
    past = [step.time for step in steps if step.time is not None and step.kind != "scheduled"]
    begin, seconds = (past[0], (past[-1] - past[0]).total_seconds()) if past else (None, 0.0)
    placed = [replace(step, place=_place(step.time, begin, seconds)) for step in steps]
    return Timeline(placed, list(dict.fromkeys(step.service for step in steps)), begin, seconds, complete)


def _flat(node: PathNode, service: str, sources: set[str], depth: int) -> Iterator[Step]:
    """Iterate over a message and everything that it has caused."""
    record = node.event
    time = record.time if record is not None else time_of(node.id) or _first_time(node)
    source = record.stream.partition("/")[0] if record is not None else ""
    name = f"{source} → {service}" if source in sources else service
    kind = "message" if record is None else "event"
    yield Step(kind, name, node.name or "", str(node.id), time, depth, record, node.handlers)
    for child in node.children:
        yield from _flat(child, service, sources, depth + 1)


def _first_time(node: PathNode) -> datetime | None:
    return min((each.event.time for each in node.children if each.event is not None), default=None)


def _place(time: datetime | None, begin: datetime | None, seconds: float) -> float:
    if time is None or begin is None or not seconds:
        return 0.0
    return min(1.0, max(0.0, (time - begin).total_seconds() / seconds))


def time_of(id: UUID) -> datetime | None:
    """Return the time in a UUIDv7 (RFC 9562); None for other ids, and for times out of range."""
    if id.version != 7 or id.int >> 80 >= 253_402_300_800_000 - 86_400_000:
        return None
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=id.int >> 80)
