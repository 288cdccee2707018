"""Which queries are answered with a stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from typing import Any, get_origin

from ._idempotency import answer_type
from ._messages import Query

_STREAMS = (AsyncIterator, AsyncIterable, AsyncGenerator)


def stream_mismatch(query_type: type[Query[Any]], streams: bool) -> str | None:
    """Return what is wrong when a query and its handler do not agree on whether there is a stream.

    Args:
        query_type: the query.
        streams: whether the handler is an async generator.
    """
    declared, name = answer_type(query_type), query_type.__name__
    if declared is Any or (get_origin(declared) or declared) in _STREAMS:
        if streams or declared is Any:
            return None
        return (
            f"{name} is answered with a stream, and this handler is no async generator. Let it `yield` the items one by "
            f"one, or let the query have all of them: class {name}(Query[list[…]])."
        )
    if not streams:
        return None
    return (
        f"{name} is answered at once, and this handler is an async generator. Return what the query says, or let it be "
        f"answered with a stream: class {name}(Query[AsyncIterator[…]])."
    )
