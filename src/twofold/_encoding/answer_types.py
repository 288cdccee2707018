"""The declared result types of commands and queries."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from functools import cache
from inspect import Parameter
from typing import Any, get_origin, get_type_hints

from .._definitions.message import Message, Query, result_type
from .round_trip import RoundTrip

_STREAMS = (AsyncIterator, AsyncIterable, AsyncGenerator)


@cache
def answers_of(message_type: type[Message]) -> RoundTrip[Any]:
    """Return the encoder and decoder of the results of a command or query. pydantic raises an error if there is none."""
    return RoundTrip(_annotation(message_type))


def answer_type(message_type: type[Message]) -> Any:
    """Return the result type of a command or query with its names resolved, or Any if it is not known."""
    try:
        return _annotation(message_type)
    except (NameError, TypeError, SyntaxError):
        return Any


def stream_mismatch(query_type: type[Query[Any]], streams: bool) -> str | None:
    """Return an error text if a query and its handler do not agree on whether there is a stream.

    Args:
        query_type: the query.
        streams: whether the handler is an async generator.
    """
    declared, name = answer_type(query_type), query_type.__name__
    if declared is Any or (get_origin(declared) or declared) in _STREAMS:
        if streams or declared is Any:
            return None
        return (
            f"{name} is answered with a stream, and this handler is not an async generator. Let it `yield` the items one "
            f"by one, or declare one result with all of them: class {name}(Query[list[…]])."
        )
    if not streams:
        return None
    return (
        f"{name} is answered with one result, and this handler is an async generator. Return the result, or declare a "
        f"stream: class {name}(Query[AsyncIterator[…]])."
    )


def _annotation(message_type: type[Message]) -> Any:
    declared = result_type(message_type)
    if declared is Parameter.empty:
        return Any
    holder = type("Answer", (), {"__annotations__": {"result": declared}})
    module = vars(sys.modules[message_type.__module__])
    return get_type_hints(holder, module, {message_type.__name__: message_type}, include_extras=True)["result"]
