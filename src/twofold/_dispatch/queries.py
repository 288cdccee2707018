"""The queries of a session: wait until the read models have its writes, then answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from anyio import current_time

from .._buses.no_handler import no_answerers
from .._consistency.conversation import Conversation
from .._consistency.token import Written
from .._definitions.gathered import Gathered, Policy
from .._definitions.message import Query
from ..errors import ConfigurationError, TransientFailure
from .buses import answering, streaming
from .caller import Caller, Wait, handling, reset_caller, set_caller
from .gathering import Answerer, Ask, Gathering, RemoteAnswerer
from .live import LiveQuery
from .scope import Scope
from .services import Services
from .steps import Pipeline

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

_END = object()
"""Marks the end of a stream without items."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[R_co]):
    """An answer that may be stale.

    Attributes:
        value: the return value of the query handler.
        lag: how many events the read models had to handle until they had the writes of the session, exact up to 10,000 (see
            `SubscriptionStatus.lag`); 0 when they had all of them, None when it is unknown because a write is parked or has
            not arrived from another application.
    """

    value: R_co
    lag: int | None


@dataclass(slots=True, eq=False)
class SessionQueries:
    """Answers the queries of a session. Each method does what the method of `Session` with its name says.

    Attributes:
        services: the services of the application.
        conversation: the conversation of the session.
    """

    services: Services
    conversation: Conversation

    async def execute(self, query: Query[R], timeout: float, after: str | None) -> R:
        """Answer a query once the read models contain the writes of the session."""
        return cast(R, await self._up_to_date(answering(self.services.query_pipelines, query), query, timeout, after))

    async def gather(self, query: Query[R], policy: Policy, timeout: float, after: str | None) -> Gathered[R]:
        """Ask all answerers of a query. Each handler waits for its own read models."""
        answerers = self.services.answerers.get(type(query))
        if answerers is None:
            raise no_answerers(query, self.services.answerers)
        if after is not None:  # an invalid token is an error of the caller, and not of each answerer
            await self.conversation.seen.needed(after, 0.0, must=False, handling=handling() is not None)

        def asking(answerer: Answerer) -> Ask:
            if isinstance(answerer, RemoteAnswerer):
                return lambda: answerer.ask(query, timeout)
            return lambda: self._up_to_date(answerer, query, timeout, after)

        asked = {name: asking(answerer) for name, answerer in answerers.items()}
        return await Gathering(query, asked, policy, timeout).run()

    async def _up_to_date(self, pipeline: Pipeline, query: Query[Any], timeout: float, after: str | None) -> Any:
        """Answer a query with a pipeline once its read models contain the writes of the session."""
        seen, outer = self.conversation.seen, handling()
        written, left = seen.here, timeout if outer is None else 0.0
        if after is not None or seen.elsewhere:
            deadline = current_time() + left
            written, _ = await seen.needed(after, left, must=True, handling=outer is not None)
            left = deadline - current_time()
        if written is None:
            return await self._answer(pipeline, query, None, outer)
        deadline = current_time() + left
        consistency, wait = self.services.consistency, self._wait(written, deadline)
        attempts = 0
        while attempts < 2 or current_time() < deadline:
            attempts += 1
            runs = await consistency.runs()
            await seen.verify(written)
            await wait(pipeline.reads)
            answer = await self._answer(pipeline, query, written, outer, wait)
            # A store that was replaced meanwhile may have answered from older data.
            if runs == await consistency.runs():
                return answer
        raise TransientFailure(
            f"cannot answer {type(query).__name__} within {left:g} s: the server of a store was restarted or replaced "
            f"during each of {attempts} attempts. If the URL leads to several servers in turn, use the URL of one of them."
        )

    async def execute_stale(self, query: Query[R], after: str | None) -> Answer[R]:
        """Answer a query without waiting, and report the lag of its read models."""
        seen, outer = self.conversation.seen, handling()
        written, complete = seen.here, True
        if after is not None or seen.elsewhere:
            written, complete = await seen.needed(after, 0.0, must=False, handling=outer is not None)
        reads, lag = self._reads(query), 0 if complete else None
        if written is not None:
            await seen.verify(written)
        if written is not None and reads and complete:
            lag = await self.services.consistency.worst(reads, written)
        pipeline = answering(self.services.query_pipelines, query)
        return Answer(cast(R, await self._answer(pipeline, query, written, outer)), lag)

    async def stream(self, query: Query[AsyncIterator[R]], timeout: float, after: str | None) -> AsyncGenerator[R]:
        """Iterate over the answer of a streaming query."""
        outer = handling()
        wait = await self._ready(query, timeout, after, outer)
        pipeline = streaming(self.services.query_pipelines, query)
        caller = Caller(self.conversation, outer, wait=wait)
        mark = set_caller(caller)
        try:
            items = await pipeline.handle(query)
        finally:
            reset_caller(mark)
        async with aclosing(items):
            mark = set_caller(caller)
            try:
                first = await anext(items, _END)
            finally:
                reset_caller(mark)
            if first is not _END:
                yield cast(R, first)
                async for item in items:
                    yield item

    async def subscribe(self, query: Query[R], timeout: float, after: str | None) -> LiveQuery[R]:
        """Return a live query whose first answer contains the writes of the session."""
        if handling() is not None:
            raise ConfigurationError(
                f"cannot subscribe to {type(query).__name__} inside a handler, which would not end. Subscribe outside, or "
                "execute the query."
            )
        wait = await self._ready(query, timeout, after, None)
        return LiveQuery(self.services, self.conversation, query, wait)

    async def _answer(
        self,
        pipeline: Pipeline,
        query: Query[Any],
        written: Written | None,
        outer: Scope | None,
        wait: Wait | None = None,
    ) -> Any:
        needed = None if written is None else written.position
        mark = set_caller(Caller(self.conversation, outer, needed=needed, wait=wait))
        try:
            return await pipeline.handle(query)
        finally:
            reset_caller(mark)

    def _wait(self, written: Written, deadline: float) -> Wait:
        """Return how a query, and the queries that its handler executes, wait for the writes."""

        async def wait(projections: Sequence[str]) -> None:
            await self.services.wait(projections, written, max(0.0, deadline - current_time()))

        return wait

    async def _ready(self, query: Query[Any], timeout: float, after: str | None, outer: Scope | None) -> Wait | None:
        """Wait until the read models of a query have the writes. Return how nested queries wait, if there are writes."""
        deadline, seen = current_time() + timeout, self.conversation.seen
        written, _ = await seen.needed(after, timeout, must=True, handling=outer is not None)
        if written is None:
            return None
        await seen.verify(written)
        wait = self._wait(written, deadline)
        await wait(self._reads(query))
        return wait

    def _reads(self, query: Query[Any]) -> Sequence[str]:
        """Return the projections that a query reads, and that may lag."""
        pipeline = self.services.query_pipelines.get(type(query))
        return () if pipeline is None else pipeline.reads
