"""The cache step of a query's pipeline: return a cached answer, or share one load between concurrent executions."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from random import uniform
from typing import Any

from pydantic import ValidationError

from .._buses.no_handler import Handle
from .._dispatch.steps import Step
from .._encoding.answer_types import answers_of
from .._encoding.round_trip import Changed
from ..errors import TransientFailure
from ..ports.cache import Cached, CacheKey, CacheLease
from ..ports.stores import ReadStore, WriteStore
from .answers import Answers
from .cached_query import CachedQuery
from .keys import KeyFormat
from .loads import Load
from .question import Question, question, run_load
from .reach import NOWHERE, Reach, newest, reach_of

logger = logging.getLogger("twofold.cache")


class Caching:
    """The cached answers of one query.

    Args:
        query: the query.
        answers: the cache.
        write: the store of the event log.
        read: the store of the read models.
    """

    def __init__(self, query: CachedQuery, answers: Answers, write: WriteStore, read: ReadStore) -> None:
        self._query = query
        self._name = query.message.__name__
        self._cache = query.cache
        self._format = KeyFormat(query.cache.key)
        self._answers = answers
        self._write = write
        self._read = read
        self._log = self._kept_as = ""
        self._round_trip = answers_of(query.message)
        self._under_way: dict[tuple[str, str | None], Load] = {}
        self._keyless = False

    def step(self) -> Step:
        """Return the step that returns cached answers, and caches those that the rest of the pipeline loads."""
        return Step("cache", f"cache: key {self._cache.key!r}, kept for {self._cache.ttl:g} s", self._around)

    def _around(self, handle: Handle) -> Handle:
        async def cached(query: Any) -> Any:
            asked = self._asked(query)
            if asked is None:
                return await handle(query)
            if asked.name in self._under_way:
                text = await self._from_others(asked)
                if text is not None:
                    return self._round_trip.decode(text)
            mine = self._under_way[asked.name] = Load(asked.above)
            try:
                with asked.awaiting(mine):
                    answer = await self._answer(mine, asked, lambda: handle(query))
            except Exception as error:
                mine.error = error
                raise
            finally:
                if self._under_way.get(asked.name) is mine:
                    del self._under_way[asked.name]
                mine.began.open()
                mine.done.open()
            asked.is_answered_by(mine)
            return answer

        return cached

    def _asked(self, query: Any) -> Question | None:
        """Return the question, or None if its key cannot be formatted."""
        try:
            key = self._format.of(query)
        except Exception as error:  # noqa: BLE001 -- a value of any type may refuse its format
            if not self._keyless:
                self._keyless = True
                text = "cannot format the cache key %r; such a %s is answered without the cache: %s"
                logger.warning(text, self._cache.key, self._name, error)
            return None
        return question(self._name, key)

    async def _from_others(self, asked: Question) -> str | None:
        """Return the answer that another task loads, if it is new enough; None to load one."""
        while (other := self._under_way.get(asked.name)) is not None:
            early = not other.began.is_open
            with asked.awaiting(other):
                await other.began.wait()
                if other.serves(asked.needed, early=early):
                    await other.done.wait()
                    if other.error is not None:
                        raise other.error
            if other.text is not None and other.serves(asked.needed, early=early):
                asked.is_answered_by(other)
                return other.text
            if other.unshared or self._under_way.get(asked.name) is other:
                break
        return None

    async def _answer(self, mine: Load, asked: Question, load: Callable[[], Awaitable[Any]]) -> Any:
        """Return the cached answer, or load and cache it. Waiting tasks get it before it is cached."""
        found = await self._lookup(asked)
        if isinstance(found, Cached):
            try:
                answer = self._round_trip.decode(found.text)
            except ValidationError as error:
                await self._answers.spoilt(CacheKey(self._kept_as, asked.name[0]), error)
                found = None
            else:
                mine.reach, mine.text = Reach(found.position, whole=True), found.text
                return answer
        mine.reach = await self._reach()
        mine.floor = newest(asked.needed, mine.reach.position)
        mine.began.open()
        answer = await run_load(mine, load)
        mine.text = text = self._text_of(answer)
        mine.unshared = text is None
        mine.done.open()
        ttl = self._cache.ttl if answer is not None else self._cache.negative_ttl
        if found is not None and ttl is not None and text is not None and mine.reach.whole:
            seconds = ttl * uniform(1 - self._cache.jitter, 1)  # noqa: S311 -- spreading, not secrecy
            await self._answers.fill(found, Cached(text, mine.reach.position, self._log), seconds)
        return answer

    async def _lookup(self, asked: Question) -> Cached | CacheLease | None:
        if not self._log:
            try:
                self._log = await self._write.log.identity()
            except TransientFailure as error:
                self._answers.failed(error)
                return None
            self._kept_as = self._query.kept_as(self._log)
        key, tenant = asked.name
        return await self._answers.lookup(CacheKey(self._kept_as, key), tenant, asked.needed)

    async def _reach(self) -> Reach:
        """Return the position that the read models have reached; nothing is cached if a store does not answer."""
        try:
            return await reach_of(self._query, self._write, self._read)
        except TransientFailure as error:
            self._answers.failed(error)
            return NOWHERE

    def _text_of(self, answer: Any) -> str | None:
        """Return an answer as JSON, or None if another value would come back. Then only this task gets it."""
        try:
            return self._round_trip.encode_equal(answer)
        except Changed:
            logger.warning("an answer of %s comes back from JSON as another value and is not cached", self._name)
        except ValueError as error:
            logger.warning("an answer of %s has no JSON and is not cached: %s", self._name, error)
        return None
