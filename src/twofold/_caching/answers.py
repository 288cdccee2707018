"""The cache, as the queries of an application see it."""

from __future__ import annotations

import logging

import anyio

from .._definitions.cache import CacheStats
from .._definitions.position import Position
from ..errors import TwofoldError
from ..ports.cache import Cached, CacheKey, CacheLease, CacheStore

logger = logging.getLogger("twofold.cache")

_LEFT_ALONE = 1.0
"""How long a cache that failed is left alone, in seconds."""


class Answers:
    """Asks the cache; when it fails there is none for a while.

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

    async def lookup(self, key: CacheKey, tenant: str | None, needed: Position | None) -> Cached | CacheLease | None:
        """Return an answer, or the lease to fill it in, or None when the cache is away."""
        if self._back and self._back > anyio.current_time():
            return None
        try:
            found = await self._store.lookup(key, tenant, at_least=needed)
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

    async def spoilt(self, key: CacheKey, error: Exception) -> None:
        """Forget what was found and cannot be read."""
        logger.warning("a cached answer cannot be read and is forgotten: %s", error)
        self._hits -= 1  # it was none
        self._failures += 1
        try:
            await self._store.invalidate([key])
        except TwofoldError as failure:
            self.failed(failure)

    def failed(self, error: Exception) -> None:
        """Leave the cache alone for a while; say so once."""
        if not self._back:
            logger.warning("queries are answered without the cache: %s", error)
        self._back = anyio.current_time() + _LEFT_ALONE
        self._failures += 1
