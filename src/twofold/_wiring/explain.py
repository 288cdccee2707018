"""Explain how a message is handled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .._definitions.message import Event, Message
from .._dispatch.steps import Pipeline
from ..errors import NoHandler
from .assembly import Assembly


def explain(name: str, assembly: Assembly, message_type: type[Message]) -> str:
    """Return the steps of a message's pipeline, one a line; for an event, its inline projections and subscriptions.

    Raises:
        NoHandler: the application of this name has no handler for the message.
    """
    services = assembly.services
    pipelines: dict[type[Any], Pipeline] = {**services.command_pipelines, **services.query_pipelines}
    if issubclass(message_type, Event):
        lines = list(_event(assembly, message_type))
    else:
        lines = [step.text for step in pipelines[message_type].steps] if message_type in pipelines else []
    if not lines:
        raise NoHandler(f"cannot explain {message_type.__name__}: {name!r} has no handler for it.")
    return "\n".join([message_type.__name__, *(f"  {number}. {line}" for number, line in enumerate(lines, 1))])


def _event(assembly: Assembly, message_type: type[Event]) -> Iterator[str]:
    inline = [projection.name for projection in assembly.inline if message_type.message_name in projection.events]
    for name in inline:
        yield f"projection {name}, inline: in the command's transaction"
    for subscription in assembly.subscriptions:
        if message_type.message_name in subscription.events:
            order = subscription.partition_by or "stream"
            kind = subscription.kind.replace("_", " ")
            yield f"{kind} {subscription.name}, after the commit, in order of each {order}"
