"""The query bus."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Sequence
from contextlib import aclosing
from typing import Any, NoReturn, TypeVar

from .._background.calls import coroutine_function
from .._definitions.message import Query
from .._encoding.result_types import stream_mismatch
from ..errors import ConfigurationError, InvalidDefinition
from .callables import is_stream, standalone
from .chain import Middleware, checked, compose
from .decorators import QueryRegistration
from .no_handler import Handle, no_handler, no_single_answer, no_stream

R = TypeVar("R")
Q = TypeVar("Q", bound=Query[Any])


class QueryBus:
    """Execute queries with their handlers. A bus also works without an application, as a mediator.

    Args:
        middleware: functions that run around every query, the first one outermost.
    """

    def __init__(self, *, middleware: Sequence[Middleware] = ()) -> None:
        self._routes: dict[type[Query[Any]], Handle] = {}
        self._streams: dict[type[Query[Any]], Handle] = {}
        self._middleware = checked(middleware)

    def handler(self, query_type: type[Q]) -> QueryRegistration[Q]:
        """Return a decorator that registers the handler of a query, and returns it unchanged.

        Raises:
            ConfigurationError: the query has a handler already.
            InvalidDefinition: either the query or its handler is a stream, and the other is not.
        """

        def register(handler: Any) -> None:
            if query_type in self._routes:
                raise ConfigurationError(
                    f"cannot register a second handler of query {query_type.__name__}. A query has one handler."
                )
            handle, streams = standalone(handler), is_stream(handler)
            if wrong := stream_mismatch(query_type, streams):
                raise InvalidDefinition(f"cannot register {getattr(handler, '__qualname__', handler)}: {wrong}")
            handle = compose(self._middleware, handle)
            # A streaming query is refused by its own callable, so that `execute` need not check each query.
            self._routes[query_type] = _refuse if streams else handle
            if streams:
                self._streams[query_type] = handle

        return QueryRegistration(register)

    @coroutine_function
    def execute(self, query: Query[R]) -> Coroutine[Any, Any, R]:
        """Answer a query. Errors of the handler propagate unchanged.

        Raises:
            NoHandler: no handler is registered for this query, or the query is answered with a stream.
        """
        try:
            handle = self._routes[type(query)]
        except KeyError:
            raise no_handler("query", query, self._routes) from None
        return handle(query)

    async def stream(self, query: Query[AsyncIterator[R]]) -> AsyncGenerator[R]:
        """Iterate over the answer of a streaming query, whose handler is an async generator.

        Raises:
            NoHandler: no handler is registered for this query, or the query is answered with one result.
        """
        handle = self._streams.get(type(query))
        if handle is None:
            if type(query) in self._routes:
                raise no_stream(query)
            raise no_handler("query", query, self._routes)
        async with aclosing(await handle(query)) as items:
            async for item in items:
                yield item


def _refuse(query: Query[Any]) -> NoReturn:
    raise no_single_answer(query)
