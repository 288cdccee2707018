"""The look-up that all buses share."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeAlias

from .errors import NoHandler

Handle: TypeAlias = Callable[[Any], Coroutine[Any, Any, Any]]
"""The whole way of one message type: its middleware and its handler, composed into one callable."""


def no_handler(kind: str, message_type: type[Any], known: Iterable[type[Any]]) -> NoHandler:
    """Return the error for a message that nothing handles.

    Args:
        kind: "command" or "query".
        message_type: the message's class.
        known: the classes that are handled.
    """
    plural = {"query": "queries"}.get(kind, f"{kind}s")
    listed = ", ".join(sorted(each.__name__ for each in known)) or "none"
    name = message_type.__name__
    return NoHandler(
        f"no handler for {kind} {name}. Registered {plural}: {listed}.\n"
        f"Register one with @app.{kind}_handler({name}) and import its module before the application starts."
    )
