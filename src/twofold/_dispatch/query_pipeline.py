"""The handling of a query, from the bus to its handler."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

from .._background.calls import check_awaited
from .._buses.chain import EnvelopeMiddleware, Middleware
from .._buses.no_handler import Handle
from .._definitions.envelope import Envelope
from .._definitions.message import Query
from .binding import Invoke
from .caller import current_caller
from .middleware_steps import outer_steps
from .pipeline import called
from .scope import Scope, open_scope
from .services import Services
from .steps import Step
from .telemetry_steps import telemetry_steps


def query_steps(
    services: Services,
    query: type[Query[Any]],
    handler: str,
    *,
    reads: Sequence[str],
    middleware: Sequence[Middleware | EnvelopeMiddleware],
    cache: Step | None,
    streams: bool,
) -> list[Step]:
    """Return the steps of a query.

    Args:
        services: the services of the application.
        query: the type of query.
        handler: the handler, in words.
        reads: the projections that the session waits for.
        middleware: the outermost first.
        cache: looks for a cached answer, if there is a cache.
        streams: whether the handler is an async generator.
    """
    return [
        *([Step("wait", f"wait: until {', '.join(reads)} contains the session's writes")] if reads else []),
        *(telemetry_steps(services.recorder, "query", query, streams=streams) if services.recorder.on else ()),
        *(outer_steps(services, middleware) if middleware else ()),
        *([] if cache is None else [cache]),
        Step("scope", "scope: read only, nothing is committed", partial(_stream if streams else _read, services)),
        Step("handler", handler),
    ]


def _read(services: Services, invoke: Invoke) -> Handle:
    """Open a scope that cannot write, and answer the query in it."""

    async def handle(query: Any, envelope: Envelope[Any] | None = None) -> Any:
        scope = _scope(services, query, envelope)
        try:
            result = await called(invoke, scope, query)
            scope.check_unchanged()
        except BaseException as failure:
            await scope.close(failure)
            raise
        await scope.close()
        return result

    return handle


def _stream(services: Services, invoke: Invoke) -> Handle:
    """Do the same for a query that is answered with an async generator. Its scope closes when the generator does."""

    async def handle(query: Any, envelope: Envelope[Any] | None = None) -> Any:
        return items(query, envelope)

    async def items(query: Any, envelope: Envelope[Any] | None) -> Any:
        scope = _scope(services, query, envelope)
        try:
            async with aclosing(await invoke(scope, query)) as answer:
                async for item in answer:
                    yield item
            check_awaited(scope.calls)
            scope.check_unchanged()
        finally:
            await scope.close()

    return handle


def _scope(services: Services, query: Any, envelope: Envelope[Any] | None) -> Scope:
    caller = current_caller()
    outer = None if caller is None else caller.scope
    conversation = caller.conversation if caller is not None and outer is None else None
    return open_scope(services, query, conversation, outer, None, True, envelope)
