"""The look-up that all buses share."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeAlias

from .errors import NoHandler
from .middleware import CallNext, Middleware, compose

Handle: TypeAlias = Callable[[Any], Coroutine[Any, Any, Any]]
"""The whole way of one message type: its middleware and its handler, composed into one callable."""

Route: TypeAlias = tuple[Callable[..., Coroutine[Any, Any, Any]], CallNext | None]
"""The same for a bus, which calls the outermost middleware itself: that middleware and the rest of the chain, or the
handler and None. It saves a call a message; see `benchmarks/buses.py`."""


def route(middleware: Sequence[Middleware], last: Handle) -> Route:
    """Put middleware around a handler, the first one outermost."""
    return (middleware[0], compose(middleware[1:], last)) if middleware else (last, None)


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
