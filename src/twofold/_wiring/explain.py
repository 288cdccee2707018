"""Tell the way of a message in words."""

from __future__ import annotations

from collections.abc import Iterator

from .._definitions.message import Command, Event, Message, Query
from .._registration.entries import Entry
from ..errors import NoHandler
from .assembly import Assembly
from .parts import Parts
from .planner import Planned
from .subscriptions import middleware_of


def explain(parts: Parts, assembly: Assembly, message_type: type[Message]) -> str:
    """Return one line for each link that a message passes, in order."""
    if issubclass(message_type, Event):
        lines = list(_event(parts, assembly, message_type))
    elif issubclass(message_type, Query):
        lines = list(_query(parts, assembly, message_type))
    elif issubclass(message_type, Command):
        lines = list(_command(parts, assembly, message_type))
    else:
        lines = []
    if not lines:
        raise NoHandler(f"cannot explain {message_type.__name__}: nothing in {parts.name!r} handles it.")
    return "\n".join([message_type.__name__, *(f"  {number}. {line}" for number, line in enumerate(lines, 1))])


def _command(parts: Parts, assembly: Assembly, message_type: type[Message]) -> Iterator[str]:
    for entry in parts.registered.commands:
        if entry.message is message_type:
            yield from _middleware(parts, message_type)
            if entry.key is not None:
                yield f"one at a time for each {entry.key}, in this process"
            yield "unit of work: begins at the first use, commits after the handler"
            yield from _middleware(parts, message_type, inside=True)
            yield _handler(entry, assembly.planned.get(message_type))
            if assembly.inline:
                yield "inline projections: " + ", ".join(projection.name for projection in assembly.inline)


def _query(parts: Parts, assembly: Assembly, message_type: type[Message]) -> Iterator[str]:
    for entry in parts.registered.queries:
        if entry.message is message_type:
            if reads := assembly.reads[entry.message]:
                yield "in a session: wait for " + ", ".join(reads)
            yield from _middleware(parts, message_type)
            if entry.cache is not None and assembly.answers is not None:
                yield f"cache: the answer that is kept under {entry.cache.key!r}, for {entry.cache.ttl:g} s"
            yield _handler(entry, assembly.planned.get(message_type))


def _event(parts: Parts, assembly: Assembly, message_type: type[Message]) -> Iterator[str]:
    inline = [projection.name for projection in assembly.inline if message_type.message_name in projection.events]
    for name in inline:
        yield f"projection {name}, inline: in the command's transaction"
    for subscription in assembly.subscriptions:
        if message_type.message_name in subscription.events:
            order = subscription.partition_by or "stream"
            yield f"{subscription.kind} {subscription.name}, after the commit, in order of each {order}"


def _middleware(parts: Parts, message_type: type[Message], *, inside: bool = False) -> Iterator[str]:
    for middleware in middleware_of(parts, message_type, inside=inside):
        name = getattr(middleware, "__qualname__", type(middleware).__qualname__).split(".<locals>.")[0]
        yield f"middleware {name}" + (" (inside the unit of work)" if inside else "")


def _handler(entry: Entry, planned: Planned | None) -> str:
    given = f" given {'; '.join(planned.injected)}" if planned and planned.injected else ""
    return f"handler {entry.label} ({entry.place}){given}"
