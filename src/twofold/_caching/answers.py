"""Access to the cache store: statistics, and a pause after a failure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio

from .._background.log_lines import logger_of
from .._definitions.cache import CacheStats
from .._definitions.position import Position
from ..errors import TwofoldError
from ..ports.cache import Cached, CacheKey, CacheLease, CacheStore
from .reach import newest

logger = logger_of("twofold.cache")

_PAUSE = 1.0
"""Seconds for which a failing cache store is not called again."""


@dataclass(slots=True, eq=False)
class Answers:
    """The cached answers of all queries. After a failure of the store, queries are answered without the cache for a while.

    Attributes:
        store: the cache store.
    """

    store: CacheStore
    _retry_at: float = field(default=0.0, init=False)
    _floors: dict[str, Position] = field(default_factory=dict, init=False)
    """For each query whose answers could not be invalidated, the position that its answers must have reached."""
    _hits: int = field(default=0, init=False)
    _misses: int = field(default=0, init=False)
    _fills: int = field(default=0, init=False)
    _refused: int = field(default=0, init=False)
    _failures: int = field(default=0, init=False)

    @property
    def stats(self) -> CacheStats:
        """The counts since the application started."""
        return CacheStats(
            hits=self._hits,
            misses=self._misses,
            fills=self._fills,
            refused=self._refused,
            failures=self._failures,
        )

    async def lookup(self, key: CacheKey, tenant: str | None, needed: Position | None) -> Cached | CacheLease | None:
        """Return an answer, or the lease to fill it in, or None if the store is not asked or does not answer."""
        if self._retry_at and self._retry_at > anyio.current_time():
            return None
        if self._floors:
            needed = newest(needed, self._floors.get(key.query))
        try:
            found = await self.store.lookup(key, tenant, at_least=needed)
        except TwofoldError as error:
            self.failed(error)
            return None
        if self._retry_at:
            logger.warning("the cache is available again")
            self._retry_at = 0.0
        if isinstance(found, Cached):
            self._hits += 1
        else:
            self._misses += 1
        return found

    async def fill(self, lease: CacheLease, answer: Cached, seconds: float) -> None:
        """Store an answer, if its lease is still valid."""
        if self._retry_at:
            return
        try:
            filled = await self.store.fill(lease, answer, seconds=seconds)
        except TwofoldError as error:
            self.failed(error)
            return
        if filled:
            self._fills += 1
        else:
            self._refused += 1

    async def invalidate(self, keys: Sequence[CacheKey], queries: Sequence[str], position: Position) -> None:
        """Invalidate answers, or if the store does not answer, accept no answers from before a position.

        Args:
            keys: the keys of the answers.
            queries: queries of which all answers are invalidated.
            position: the position of the event that makes the answers outdated.
        """
        try:
            await self.store.invalidate(keys)
            if queries:
                await self.store.invalidate_queries(queries)
        except TwofoldError as error:
            self.failed(error)
            self._floors.update(dict.fromkeys([*(key.query for key in keys), *queries], position))

    async def discard(self, key: CacheKey, reason: str) -> None:
        """Remove an answer that was found and cannot be used."""
        logger.warning("a cached answer is removed: %s", reason)
        self._hits -= 1  # the lookup counted the answer as a hit
        self._failures += 1
        try:
            await self.store.invalidate([key])
        except TwofoldError as failure:
            self.failed(failure)

    def failed(self, error: Exception) -> None:
        """Do not ask the store for a while. Log the first failure only."""
        if not self._retry_at:
            logger.warning("queries are answered without the cache: %s", error)
        self._retry_at = anyio.current_time() + _PAUSE
        self._failures += 1
