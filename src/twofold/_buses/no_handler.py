"""Errors for messages without a handler."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeAlias

from .._definitions.message import Command, Event, Query
from ..errors import NoHandler

Handle: TypeAlias = Callable[[Any], Coroutine[Any, Any, Any]]
"""The pipeline of one type of message: its middleware and its handler as one callable."""


_ELSEWHERE = {
    Query: "It is a query: use execute().",
    Command: "It is a command: use dispatch().",
    Event: "It is an event: let an aggregate or the UnitOfWork record it, or publish it on an EventBus.",
}


def no_single_answer(query: Query[Any]) -> NoHandler:
    """Return the error for a streaming query that is executed."""
    name = type(query).__name__
    return NoHandler(
        f"cannot execute {name}: it is a streaming query. Iterate over the stream: async for item in app.stream({name}(…))."
    )


def no_stream(query: Query[Any]) -> NoHandler:
    """Return the error for the stream of a query that does not stream."""
    return NoHandler(
        f"cannot stream {type(query).__name__}: it returns one result. Use execute(). A streaming query is a "
        "Query[AsyncIterator[…]], and its handler is an async generator."
    )


def several_answerers(query: Query[Any]) -> NoHandler:
    """Return the error for a query that is executed although several handlers answer it."""
    name = type(query).__name__
    return NoHandler(
        f"cannot execute {name}: it has several handlers. Gather their answers: await app.gather({name}(…))."
    )


def no_answerers(query: object, known: Iterable[type[Any]]) -> NoHandler:
    """Return the error for a query that is gathered and has no answerers.

    Args:
        query: the argument of `gather`.
        known: the queries with answerers.
    """
    if not isinstance(query, Query):
        return no_handler("query", query, known)
    name = type(query).__name__
    listed = ", ".join(sorted(each.__name__ for each in known)) or "none"
    return NoHandler(
        f"cannot gather {name}: it has no answerers. Queries with answerers: {listed}. Register a handler with "
        f"@app.query_handler({name}, many=True, name='…'), or use execute() for a query with one handler."
    )


def no_handler(kind: str, message: object, known: Iterable[type[Any]]) -> NoHandler:
    """Return the error for a message without a handler.

    Args:
        kind: "command" or "query", the kind of message that the bus takes.
        message: the argument of the bus.
        known: the classes with a handler.
    """
    if isinstance(message, type):
        return NoHandler(
            f"no handler for the class {message.__name__} itself. Pass an object of the class: {message.__name__}(…)."
        )
    for base, advice in _ELSEWHERE.items():
        if isinstance(message, base) and base.__name__.lower() != kind:
            return NoHandler(f"no handler for {kind} {type(message).__name__}: it is not a {kind}. {advice}")
    message_type = type(message)
    plural = {"query": "queries"}.get(kind, f"{kind}s")
    listed = ", ".join(sorted(each.__name__ for each in known)) or "none"
    name = message_type.__name__
    return NoHandler(
        f"no handler for {kind} {name}. Registered {plural}: {listed}.\n"
        f"Register one with @app.{kind}_handler({name}) and import its module before the application starts."
    )
