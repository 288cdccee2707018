"""The way of a query through the cache: what is kept, or one load for all who ask at the same time."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from random import uniform
from typing import Any, NamedTuple

from pydantic import ValidationError

from .._buses.no_handler import Handle
from .._definitions.position import Position
from .._dispatch.caller import Caller, current
from .._dispatch.scope import Scope
from .._dispatch.steps import Step
from .._encoding.answer_types import answers_of
from .._encoding.round_trip import Changed
from ..errors import TransientFailure
from ..ports.cache import Cached, CacheKey, CacheLease
from ..ports.stores import ReadStore, WriteStore
from .answers import Answers
from .cached_query import CachedQuery
from .keys import KeyFormat
from .loads import Load, loading
from .reach import NOWHERE, Reach, newest, reach_of

logger = logging.getLogger("twofold.cache")


_ALONE = nullcontext()
"""Waiting for a load that nobody waits for in turn."""


class Asked(NamedTuple):
    """A question.

    Attributes:
        query: what the query is called.
        name: what its answer is kept under, and for which tenant.
        needed: what the answer has to be as new as.
        above: the load whose handler asks; None when none does.
    """

    query: str
    name: tuple[str, str | None]
    needed: Position | None
    above: Load | None

    def awaiting(self, load: Load) -> AbstractContextManager[None]:
        """Wait for a load, unless it waits for who asks."""
        return _ALONE if self.above is None else self.above.awaiting(load, self.query)

    def is_answered_by(self, load: Load) -> None:
        """Let who asks claim no more than the answer does."""
        if self.above is not None:
            self.above.is_made_of(load.reach)


class Caching:
    """The cached answers of one query.

    Args:
        query: the query.
        answers: the cache.
        write: where the log is.
        read: where the read models are.
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
        """Return the step of the query's pipeline that looks for a kept answer, and keeps those that are loaded."""
        text = f"cache: the answer that is kept under {self._cache.key!r}, for {self._cache.ttl:g} s"
        return Step("cache", text, self._around)

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

    def _asked(self, query: Any) -> Asked | None:
        """Return what is asked; None when that has no key."""
        try:
            key = self._format.of(query)
        except Exception as error:  # noqa: BLE001 -- a value of any type may refuse its format
            if not self._keyless:
                self._keyless = True
                text = "cannot make the key %r of a query, and answer such a %s without the cache: %s"
                logger.warning(text, self._cache.key, self._name, error)
            return None
        above, caller = loading.get(), current.get()
        needed = None if caller is None else caller.needed
        if above is not None:
            above = above.live
        if above is not None:
            needed = newest(needed, above.floor)
        return Asked(self._name, (key, _tenant_of(caller)), needed, above)

    async def _from_others(self, asked: Asked) -> str | None:
        """Return the answer that somebody else loads, if it serves; None to load one."""
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

    async def _answer(self, mine: Load, asked: Asked, load: Callable[[], Awaitable[Any]]) -> Any:
        """Return what is kept, or load it and keep it; tell who waits as soon as it is there."""
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
        answer = await _inside(mine, load)
        mine.text = text = self._text_of(answer)
        mine.unshared = text is None
        mine.done.open()
        ttl = self._cache.ttl if answer is not None else self._cache.negative_ttl
        if found is not None and ttl is not None and text is not None and mine.reach.whole:
            seconds = ttl * uniform(1 - self._cache.jitter, 1)  # noqa: S311 -- spreading, not secrecy
            await self._answers.fill(found, Cached(text, mine.reach.position, self._log), seconds)
        return answer

    async def _lookup(self, asked: Asked) -> Cached | CacheLease | None:
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
        """Return how far the read models are; nothing is kept when their store, or that of the log, does not say."""
        try:
            return await reach_of(self._query, self._write, self._read)
        except TransientFailure as error:
            self._answers.failed(error)
            return NOWHERE

    def _text_of(self, answer: Any) -> str | None:
        """Return an answer as JSON, None when it would come back as another one: then it is for who asked alone."""
        try:
            return self._round_trip.encode_equal(answer)
        except Changed:
            logger.warning("an answer of %s comes back from JSON as another value and is not cached", self._name)
        except ValueError as error:
            logger.warning("an answer of %s has no JSON and is not cached: %s", self._name, error)
        return None


async def _inside(mine: Load, load: Callable[[], Awaitable[Any]]) -> Any:
    """Load an answer. The queries of its handler need what this answer claims, in place of what the session needs."""
    caller = current.get()
    here = loading.set(mine)
    mark = (
        current.set(replace(caller, needed=None)) if isinstance(caller, Caller) and caller.needed is not None else None
    )
    try:
        return await load()
    finally:
        if mark is not None:
            current.reset(mark)
        loading.reset(here)


def _tenant_of(caller: Caller | Scope | None) -> str | None:
    """Return whose data the query concerns, as its handler sees it: the tenant of what asks."""
    if caller is None:
        return None
    return caller.conversation.origin.tenant if caller.scope is None else caller.scope.envelope.tenant
