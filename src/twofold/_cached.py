"""The way of a query through the cache: what is kept, or one load for all who ask at the same time."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from random import uniform
from typing import Any, NamedTuple

import anyio
from pydantic import ValidationError

from ._cache import Cache, CacheStats
from ._cache_keys import KeyFormat, shape_of, stored_key
from ._current import current
from ._dispatch import Handle
from ._idempotency import adapter_of
from ._messages import Query
from .errors import DispatchCycle, TwofoldError
from .ports.cache import Cached, CacheLease, CacheStore
from .ports.event_log import START, EventLog, Position
from .ports.stores import ReadStore

logger = logging.getLogger("twofold.cache")

_LEFT_ALONE = 1.0
"""How long a cache that failed is left alone, in seconds."""

at_least: ContextVar[Position | None] = ContextVar("twofold.at_least", default=None)
"""What the answer of the query that a session executes has to be as new as."""

_loading: ContextVar[tuple[str, ...]] = ContextVar("twofold.loading", default=())
"""The keys whose answers are being loaded further up."""


class Answers:
    """The cache, as the queries of an application see it: when it fails there is none for a while.

    Args:
        store: where answers are kept.
    """

    def __init__(self, store: CacheStore) -> None:
        self._store = store
        self._back = 0.0
        self._hits = self._misses = self._fills = self._refused = self._failures = 0

    @property
    def stats(self) -> CacheStats:
        """What happened so far."""
        return CacheStats(
            hits=self._hits,
            misses=self._misses,
            fills=self._fills,
            refused=self._refused,
            failures=self._failures,
        )

    async def lookup(self, key: str, needed: Position | None) -> Cached | CacheLease | None:
        """Return an answer, or the lease to fill it in, or None when the cache is away."""
        if self._back and self._back > anyio.current_time():
            return None
        try:
            found = await self._store.lookup(key, at_least=needed)
        except TwofoldError as error:
            self.failed(error)
            return None
        if self._back:
            logger.warning("the cache answers again")
            self._back = 0.0
        if isinstance(found, Cached):
            self._hits += 1
        else:
            self._misses += 1
        return found

    async def fill(self, lease: CacheLease, answer: Cached, seconds: float) -> None:
        """Keep an answer, if that is still wanted."""
        if self._back:
            return
        try:
            filled = await self._store.fill(lease, answer, seconds=seconds)
        except TwofoldError as error:
            self.failed(error)
            return
        if filled:
            self._fills += 1
        else:
            self._refused += 1

    def failed(self, error: Exception) -> None:
        """Leave the cache alone for a while; say so once."""
        if not self._back:
            logger.warning("queries are answered without the cache: %s", error)
        self._back = anyio.current_time() + _LEFT_ALONE
        self._failures += 1


class Place(NamedTuple):
    """How far what a query reads has come.

    Attributes:
        position: the lowest position that has been passed.
        whole: whether no event up to there is missing, held or parked.
    """

    position: Position
    whole: bool


class Gate:
    """Opens once; whoever comes before waits."""

    def __init__(self) -> None:
        self.is_open = False
        self._event: anyio.Event | None = None

    def open(self) -> None:
        """Let everybody through."""
        self.is_open = True
        if self._event is not None:
            self._event.set()

    async def wait(self) -> None:
        """Return when it is open."""
        if not self.is_open:
            if self._event is None:
                self._event = anyio.Event()
            await self._event.wait()


class Answering:
    """One look into the cache, and one load, that others may wait for."""

    def __init__(self) -> None:
        self.placed = Gate()
        self.done = Gate()
        self.position: Position | None = None
        self.text: str | None = None
        self.error: Exception | None = None

    def serves(self, needed: Position | None) -> bool:
        """Return whether it will be new enough."""
        return needed is None or (self.position is not None and self.position >= needed)


class Caching:
    """The cached answers of one query.

    Args:
        query_type: the query.
        cache: how its answers are kept.
        answers: the cache.
        place: returns how far what the query reads has come.
        log: the log of the events that it comes from.
    """

    def __init__(
        self,
        query_type: type[Query[Any]],
        cache: Cache,
        answers: Answers,
        place: Callable[[], Awaitable[Place]],
        log: EventLog,
    ) -> None:
        self._cache = cache
        self._key = KeyFormat(cache.key)
        self._answers = answers
        self._place = place
        self._log = log
        self._identity = ""
        self._adapter = adapter_of(query_type)
        self._shape = shape_of(query_type)
        self._under_way: dict[str, Answering] = {}

    def around(self, handle: Handle) -> Handle:
        """Return the way of the query with the cache before its handler."""

        async def cached(query: Any) -> Any:
            if not self._identity:
                self._identity = await self._log.identity()
            key, needed = stored_key(self._key.of(query), self._shape, self._identity, _tenant()), at_least.get()
            if key in _loading.get():
                raise DispatchCycle(
                    f"cannot answer {type(query).__name__}: its answer is kept under {self._cache.key!r}, and is being "
                    "loaded further up. Let the handlers call a shared function instead of each other's queries."
                )
            while (other := self._under_way.get(key)) is not None:
                await other.placed.wait()
                if not other.serves(needed):
                    break
                await other.done.wait()
                if other.error is not None:
                    raise other.error
                if other.text is not None:
                    return self._adapter.validate_json(other.text)
            mine = self._under_way[key] = Answering()
            try:
                return await self._answer(mine, key, needed, lambda: handle(query))
            except Exception as error:
                mine.error = error
                raise
            finally:
                if self._under_way.get(key) is mine:
                    del self._under_way[key]
                mine.placed.open()
                mine.done.open()

        return cached

    async def _answer(
        self, mine: Answering, key: str, needed: Position | None, load: Callable[[], Awaitable[Any]]
    ) -> Any:
        """Return what is kept, or load it and keep it; tell who waits as soon as it is there."""
        found = await self._answers.lookup(key, needed)
        if isinstance(found, Cached):
            try:
                answer = self._adapter.validate_json(found.text)
            except ValidationError as error:
                self._answers.failed(error)
                found = None
            else:
                mine.position, mine.text = found.position, found.text
                return answer
        place = await self._place()
        mine.position = place.position
        mine.placed.open()
        mark = _loading.set((*_loading.get(), key))
        try:
            answer = await load()
        finally:
            _loading.reset(mark)
        text = self._text_of(answer)
        mine.text = text
        mine.done.open()
        ttl = self._cache.ttl if answer is not None else self._cache.negative_ttl
        if found is not None and ttl is not None and text is not None and place.whole:
            seconds = ttl * uniform(1 - self._cache.jitter, 1)  # noqa: S311 -- spreading, not secrecy
            await self._answers.fill(found, Cached(text, place.position, self._identity), seconds)
        return answer

    def _text_of(self, answer: Any) -> str | None:
        """Return an answer as JSON, None when it would come back as another one: then it is for who asked alone."""
        try:
            text = self._adapter.dump_json(answer, warnings=False).decode()
            if self._adapter.validate_json(text) == answer:
                return text
        except ValueError as error:
            logger.warning("an answer kept under %r has no JSON and is not kept: %s", self._cache.key, error)
            return None
        logger.warning("an answer kept under %r comes back from JSON as another one and is not kept", self._cache.key)
        return None


def _tenant() -> str | None:
    """Return whose data the query concerns, as its handler sees it: the tenant of what asks."""
    scope = current.get()
    if scope is None:
        return None
    return scope.session.origin.tenant if scope.message is None else scope.envelope.tenant


async def place_of(reads: Sequence[str], read: ReadStore, log: EventLog) -> Place:
    """Return how far projections are, of which the lowest counts; where there are none, how far the log is."""
    if not reads:
        return Place(await log.head(), whole=True)
    identity, positions, whole = await log.identity(), list[Position](), True
    for name in reads:
        checkpoint = await read.checkpoint(name)
        if checkpoint is None:
            return Place(START, whole=True)
        if checkpoint.log != identity:
            return Place(START, whole=False)
        positions.append(checkpoint.position)
        whole = whole and not checkpoint.parked
    return Place(min(positions), whole)
