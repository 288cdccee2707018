"""Explain how a message is handled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .._definitions.message import Event, Message
from .._definitions.subclasses import is_handled, stored_types
from .._dispatch.steps import Pipeline
from .._subscriptions.event_handler_processor import EventHandlerProcessor
from ..errors import NoHandler
from .assembly import Assembly


def explain(name: str, assembly: Assembly, message: type[Message] | str) -> str:
    """Return the steps of a message's pipeline, one a line; for an event, its inline projections and subscriptions.

    Raises:
        NoHandler: the application of this name has no handler for the message.
    """
    services = assembly.services
    pipelines: dict[type[Any], Pipeline] = {**services.command_pipelines, **services.query_pipelines}
    known: list[type[Message]] = [*pipelines, *assembly.event_types.by_name.values()]
    message_type = _named(name, message, known) if isinstance(message, str) else message
    if issubclass(message_type, Event):
        lines = list(_event(assembly, message_type))
    else:
        lines = [step.text for step in pipelines[message_type].steps] if message_type in pipelines else []
    if not lines and issubclass(message_type, Event) and message_type.message_name is None:
        subclasses = ", ".join(each.__name__ for each in stored_types(message_type)) or "none"
        raise NoHandler(
            f"cannot explain {message_type.__name__}: it has no stable name, so no event of this class itself is recorded. "
            f"Explain one of its subclasses: {subclasses}."
        )
    if not lines:
        raise NoHandler(f"cannot explain {message_type.__name__}: {name!r} has no handler for it.")
    return "\n".join([message_type.__name__, *(f"  {number}. {line}" for number, line in enumerate(lines, 1))])


def _named(name: str, message: str, known: Sequence[type[Message]]) -> type[Message]:
    for each in known:
        if message in (each.__name__, each.message_name):
            return each
    names = ", ".join(sorted({each.__name__ for each in known})) or "none"
    raise NoHandler(f"cannot explain {message!r}: {name!r} has no message of this name. Messages: {names}.")


def _event(assembly: Assembly, message_type: type[Event]) -> Iterator[str]:
    inline = [projection.name for projection in assembly.inline if is_handled(projection.events, message_type)]
    for name in inline:
        yield f"projection {name}, inline: in the command's transaction"
    for subscription in assembly.subscriptions:
        if is_handled(subscription.events, message_type):
            order = subscription.partition_by or "stream"
            kind = subscription.kind.replace("_", " ")
            yield f"{kind} {subscription.name}, after the commit, in order of each {order}"
            if isinstance(subscription.processor, EventHandlerProcessor):
                for name in subscription.processor.middleware.get(message_type, ()):
                    yield f"middleware {name} (around {subscription.name}, inside its unit of work)"
