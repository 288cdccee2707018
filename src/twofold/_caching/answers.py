"""Access to the cache store: statistics, and a pause after a failure."""

from __future__ import annotations

import logging

import anyio

from .._definitions.cache import CacheStats
from .._definitions.position import Position
from ..errors import TwofoldError
from ..ports.cache import Cached, CacheKey, CacheLease, CacheStore

logger = logging.getLogger("twofold.cache")

_PAUSE = 1.0
"""How long a cache store that failed is not asked again, in seconds."""


class Answers:
    """The cached answers of all queries. After a failure of the store, queries are answered without the cache for a while.

    Args:
        store: the cache store.
    """

    def __init__(self, store: CacheStore) -> None:
        self._store = store
        self._retry_at = 0.0
        self._hits = self._misses = self._fills = self._refused = self._failures = 0

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
        try:
            found = await self._store.lookup(key, tenant, at_least=needed)
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
            filled = await self._store.fill(lease, answer, seconds=seconds)
        except TwofoldError as error:
            self.failed(error)
            return
        if filled:
            self._fills += 1
        else:
            self._refused += 1

    async def spoilt(self, key: CacheKey, error: Exception) -> None:
        """Remove an answer that was found and cannot be decoded."""
        logger.warning("a cached answer cannot be decoded and is removed: %s", error)
        self._hits -= 1  # the lookup counted the answer as a hit
        self._failures += 1
        try:
            await self._store.invalidate([key])
        except TwofoldError as failure:
            self.failed(failure)

    def failed(self, error: Exception) -> None:
        """Do not ask the store for a while. Log the first failure only."""
        if not self._retry_at:
            logger.warning("queries are answered without the cache: %s", error)
        self._retry_at = anyio.current_time() + _PAUSE
        self._failures += 1
