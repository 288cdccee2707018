"""Live queries: an answer, and again after each change of what it was read from."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Generic, TypeVar, cast

from .._background.backoff import Backoff
from .._background.log_lines import logger_of
from .._consistency.conversation import Conversation
from .._consistency.marks import Mark
from .._definitions.message import Query
from ..errors import TwofoldError
from .buses import answering
from .caller import Caller, Wait, reset_caller, set_caller
from .services import Services

logger = logger_of("twofold.running")

R = TypeVar("R")

_FIRST_POLL = 0.02
_LAST_POLL = 0.5
"""The first and the longest delay between two polls for changes of another process, in seconds."""


class LiveQuery(Generic[R]):
    """One live query. Its consumer iterates over `answers`, and a slow consumer gets only the last of several changes.

    Args:
        services: the services of the application.
        conversation: the conversation of the session.
        query: the query.
        wait: waits until the projections of the queries that the handler executes for the first answer have the writes of
            the session; None if there are none. The projections of the query itself have them.
    """

    def __init__(self, services: Services, conversation: Conversation, query: Query[R], wait: Wait | None) -> None:
        self._services = services
        self._conversation = conversation
        self._query = query
        self._wait = wait
        self._pipeline = answering(services.query_pipelines, query)
        self._reads = frozenset(self._pipeline.reads)

    async def answers(self) -> AsyncGenerator[R]:
        """Yield the answer, and each later answer that differs from the one before, until the application stops.

        An error of a store that the application closes ends the iteration.
        """
        services, poll = self._services, Backoff(_FIRST_POLL, _LAST_POLL)
        answered: tuple[Mark, frozenset[str]] | None = None
        last: list[R] = []
        while not services.ended.count:
            seen, reads = services.changed.count, self._reads
            try:
                mark = await self._mark(reads)
                if (mark, reads) == answered:
                    await services.changed.wait(seen, poll.next())
                    if services.changed.count != seen:  # the next mark may be an older one that is shared
                        poll.reset()
                    continue
                poll.reset()
                answer = await self._answer(mark)
            except TwofoldError as error:
                if not services.ended.count:
                    raise
                logger.info("a live query of %s ends with the application: %s", type(self._query).__name__, error)
                return
            answered, self._wait = (mark, reads), None
            if last != [answer]:
                last = [answer]
                yield answer

    async def _mark(self, reads: frozenset[str]) -> Mark:
        inline = bool(self._services.write.inline.projections)
        return await self._services.marks.read(reads, head=inline or not reads)

    async def _answer(self, mark: Mark) -> R:
        caller = set_caller(Caller(self._conversation, needed=mark.position, wait=self._note))
        try:
            return cast(R, await self._pipeline.handle(self._query))
        finally:
            reset_caller(caller)

    async def _note(self, projections: Sequence[str]) -> None:
        """Add the projections of a query that the handler executes."""
        self._reads |= frozenset(projections)
        if self._wait is not None:
            await self._wait(projections)
