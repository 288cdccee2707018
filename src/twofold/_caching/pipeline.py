"""The cache step of a query's pipeline: return a cached answer, or share one load between concurrent executions."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from random import uniform
from typing import Any

from pydantic import ValidationError

from .._background.log_lines import logger_of
from .._consistency.known import Point
from .._definitions.envelope import Envelope
from .._definitions.position import START
from .._dispatch.middleware_steps import EnvelopedHandle
from .._dispatch.services import Services
from .._dispatch.steps import Step
from .._dispatch.telemetry_steps import type_name
from .._encoding.lossy import LossyError
from .._encoding.misfits import misfits_without_values
from .._encoding.result_types import answers_of
from .._telemetry.metrics import CACHE_LOOKUPS, MESSAGE_TYPE, OUTCOME
from ..errors import TransientFailure
from ..ports.cache import Cached, CacheKey
from .answers import Answers
from .cached_query import CachedQuery
from .key_values import Ambiguous
from .keys import KeyFormat, key_of_query
from .loads import Load
from .question import Question, question, run_load
from .reach import NOWHERE, Reach, newest, reach_of

logger = logger_of("twofold.cache")


class Caching:
    """The cached answers of one query.

    Args:
        query: the query.
        answers: the cache.
        services: the services of the application: its stores, and the events that are known to be in the log.
    """

    def __init__(self, query: CachedQuery, answers: Answers, services: Services) -> None:
        self.query = query
        self._name = query.message.__name__
        self._cache = query.cache
        self._answers = answers
        self._write = services.write.store
        self._read = services.read
        self._known = services.consistency.known
        self._recorder = services.recorder
        self._log = self._kept_as = ""
        self._round_trip = answers_of(query.message)
        self._under_way: dict[tuple[str, str | None], Load] = {}
        self._keyless = False

    @cached_property
    def _format(self) -> KeyFormat:
        return key_of_query(self.query.message, self._cache)

    def step(self) -> Step:
        """Return the step that returns cached answers, and caches the answers of the rest of the pipeline."""
        return Step("cache", f"cache: key {self._cache.key!r}, kept for {self._cache.ttl:g} s", self._around)

    def leave_loads(self, keys: Collection[str] | None) -> None:
        """Let later queries not wait for loads that have begun, because the loads may have read outdated rows.

        Args:
            keys: the keys of the answers; None for all keys.
        """
        for name in list(self._under_way):
            if keys is None or name[0] in keys:
                del self._under_way[name]

    def _around(self, handle: EnvelopedHandle) -> EnvelopedHandle:
        under_way, decode = self._under_way, self._round_trip.decode

        async def cached(query: Any, envelope: Envelope[Any] | None = None) -> Any:
            asked = self._asked(query)
            if asked is None:
                return await handle(query, envelope)
            name, above = asked.name, asked.above
            if name in under_way:
                text = await self._from_others(asked)
                if text is not None:
                    self._count("shared")
                    return decode(text)
            mine = under_way[name] = Load(above)
            try:
                if above is None:
                    return await self._answer(mine, asked, handle, query, envelope)
                with above.awaiting(mine, self._name):
                    answer = await self._answer(mine, asked, handle, query, envelope)
            except Exception as error:
                mine.error = error
                raise
            finally:
                if under_way.get(name) is mine:
                    del under_way[name]
                mine.end()
            above.is_made_of(mine.reach)
            return answer

        return cached

    def _asked(self, query: Any) -> Question | None:
        """Return the question, or None if its key cannot be formatted, or if no event would find it."""
        try:
            form = self._format
            key, types = form.of(query), form.types_in(query) if form.mixed else ""
        except Ambiguous:
            return None
        except Exception as error:  # noqa: BLE001 -- a value of any type may refuse its format
            if not self._keyless:
                self._keyless = True
                text = "cannot format the cache key %r; such a %s is answered without the cache: %s"
                logger.warning(text, self._cache.key, self._name, error)
            return None
        return question(self._name, key, types)

    async def _from_others(self, asked: Question) -> str | None:
        """Return the answer that another task loads, if it is new enough; None to load one."""
        while (other := self._under_way.get(asked.name)) is not None:
            early = not other.begun
            with asked.awaiting(other):
                await other.until_begun()
                if other.serves(asked.needed, early=early):
                    await other.until_ended()
                    if other.error is not None:
                        raise other.error
            if other.text is not None and other.serves(asked.needed, early=early):
                asked.is_answered_by(other)
                return other.text
            if other.unshared or self._under_way.get(asked.name) is other:
                break
        return None

    async def _answer(
        self, mine: Load, asked: Question, handle: EnvelopedHandle, query: Any, envelope: Envelope[Any] | None
    ) -> Any:
        """Return the cached answer, or load and cache it. Waiting tasks get it before it is cached."""
        name, variant = asked.name
        found = None
        if self._log or await self._knows_log():
            found = await self._answers.lookup(CacheKey(self._kept_as, name), variant, asked.needed)
        if isinstance(found, Cached):
            unusable, answer = None, None
            if found.position > START and not await self._is_of_this_log(found):
                unusable = "the log has lost the events that it was read after"
            else:
                try:
                    answer = self._round_trip.decode(found.text)
                except ValidationError as error:
                    unusable = f"it cannot be decoded: {misfits_without_values(error)}"
            if unusable is None:
                if self._recorder.on:
                    self._count("hit")
                if mine.is_awaited:
                    mine.reach, mine.text = Reach(found.position, whole=True, event=found.event), found.text
                return answer
            await self._answers.discard(CacheKey(self._kept_as, name), unusable)
            found = None
        self._count("failure" if found is None else "miss")
        mine.reach = await self._reach()
        mine.floor = newest(asked.needed, mine.reach.position)
        mine.begin()
        answer = await run_load(mine, handle, query, envelope)
        mine.text = text = self._text_of(answer)
        mine.unshared = text is None
        mine.end()
        ttl = self._cache.ttl if answer is not None else self._cache.negative_ttl
        if found is not None and ttl is not None and text is not None and mine.reach.whole:
            seconds = ttl * uniform(1 - self._cache.jitter, 1)  # noqa: S311 -- spreading, not secrecy
            await self._answers.fill(found, Cached(text, mine.reach.position, self._log, mine.reach.event), seconds)
        return answer

    def _count(self, outcome: str) -> None:
        if self._recorder.on:
            found = {MESSAGE_TYPE: type_name(self.query.message), OUTCOME: outcome}
            self._recorder.record(CACHE_LOOKUPS, 1, self._recorder.attributes(found))

    async def _knows_log(self) -> bool:
        """Read the identity of the log, which is part of the keys in the cache. Return whether the store answered."""
        try:
            self._log = await self._write.log.identity()
        except TransientFailure as error:
            self._answers.failed(error)
            return False
        self._kept_as = self.query.kept_as(self._log)
        return True

    async def _is_of_this_log(self, answer: Cached) -> bool:
        """Return whether the log still has the event of an answer; True if the store does not answer."""
        point = Point(answer.position, answer.event)
        try:
            return self._known.has(point, await self._write.run()) or await self._known.missing([point]) is None
        except TransientFailure:
            return True

    async def _reach(self) -> Reach:
        """Return the position that the read models have reached; nothing is cached if a store does not answer."""
        try:
            return await reach_of(self.query, self._write, self._read)
        except TransientFailure as error:
            self._answers.failed(error)
            return NOWHERE

    def _text_of(self, answer: Any) -> str | None:
        """Return an answer as JSON, or None if another value would come back. Then only this task gets it."""
        try:
            return self._round_trip.encode(answer)
        except LossyError as lossy:
            logger.warning("an answer of %s is not cached: %s", self._name, lossy)
        return None
