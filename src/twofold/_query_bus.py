"""The query bus."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

from ._dispatch import Handle, no_handler
from ._handlers import standalone
from ._messages import Query
from ._registrations import QueryRegistration
from .errors import ConfigurationError
from .middleware import Middleware, compose

R = TypeVar("R")
Q = TypeVar("Q", bound=Query[Any])


class QueryBus:
    """Hands a query to its one handler and the answer back. Usable alone, as a mediator.

    Args:
        middleware: runs around every query, the first one outermost.
    """

    def __init__(self, *, middleware: Sequence[Middleware] = ()) -> None:
        self._routes: dict[type[Query[Any]], Handle] = {}
        self._middleware = tuple(middleware)

    def handler(self, query_type: type[Q]) -> QueryRegistration[Q]:
        """Register the handler of a query; the decorator returns it unchanged.

        Raises:
            ConfigurationError: the query has one already.
        """

        def register(handler: Any) -> None:
            if query_type in self._routes:
                raise ConfigurationError(
                    f"cannot register a second handler of query {query_type.__name__}. A query has one handler."
                )
            self._routes[query_type] = compose(self._middleware, standalone(handler))

        return QueryRegistration(register)

    def execute(self, query: Query[R]) -> Coroutine[Any, Any, R]:
        """Answer a query. Errors of the handler come through as they are.

        Raises:
            NoHandler: nothing handles this query.
        """
        try:
            handle = self._routes[type(query)]
        except KeyError:
            raise no_handler("query", query, self._routes) from None
        return handle(query)

    async def stream(self, query: Query[AsyncIterator[R]]) -> AsyncGenerator[R]:
        """Iterate over the answer of a streaming query, whose handler is an async generator.

        Raises:
            NoHandler: nothing handles this query.
        """
        async with aclosing(await self.execute(query)) as items:  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
            async for item in items:
                yield item
