"""The cache."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import uuid4

import anyio

from twofold.ports import Cached, CacheKey, CacheLease, Position


class Kept(NamedTuple):
    """An answer, the mark of the lease that it was filled by, and when it ends by the clock of the event loop."""

    answer: Cached
    mark: str
    ends: float


class InMemoryCache:
    """Store answers in this process.

    Other processes see neither the answers nor their invalidation, so use it with one process.

    Each key has a mark from its first lookup until it is invalidated. An answer that was stored under another mark is
    ignored.

    Args:
        size: the maximum number of answers. The least recently used ones are evicted first.
    """

    def __init__(self, *, size: int = 10_000) -> None:
        self._size = size
        self._kept: OrderedDict[tuple[CacheKey, str | None], Kept] = OrderedDict()
        self._marks: OrderedDict[CacheKey, str] = OrderedDict()

    async def lookup(
        self, key: CacheKey, tenant: str | None = None, *, at_least: Position | None = None
    ) -> Cached | CacheLease:
        """Return the cached answer, or a lease to fill it in."""
        mark = self._marks.get(key)
        if mark is None:
            mark = self._marks[key] = uuid4().hex
        self._marks.move_to_end(key)
        kept = self._there(key, tenant, mark)
        if kept is not None:
            self._kept.move_to_end((key, tenant))
            if at_least is None or kept.position >= at_least:
                return kept
        _shorten(self._marks, self._size)
        return CacheLease(key, tenant, mark)

    async def fill(self, lease: CacheLease, answer: Cached, *, seconds: float) -> bool:
        """Store an answer if the lease is valid and the answer is later than the cached one."""
        if self._marks.get(lease.key) != lease.mark:
            return False
        there = self._there(lease.key, lease.tenant, lease.mark)
        if there is not None and there.log == answer.log and there.position >= answer.position:
            return False
        place = lease.key, lease.tenant
        self._kept[place] = Kept(answer, lease.mark, anyio.current_time() + seconds)
        self._kept.move_to_end(place)
        _shorten(self._kept, self._size)
        return True

    async def invalidate(self, keys: Sequence[CacheKey]) -> None:
        """Remove answers and leases."""
        for key in keys:
            self._marks.pop(key, None)

    async def invalidate_queries(self, queries: Sequence[str]) -> None:
        """Remove all answers and leases of queries."""
        await self.invalidate([key for key in self._marks if key.query in queries])

    def _there(self, key: CacheKey, tenant: str | None, mark: str) -> Cached | None:
        kept = self._kept.get((key, tenant))
        if kept is None or kept.mark != mark or kept.ends <= anyio.current_time():
            return None
        return kept.answer


def _shorten(entries: OrderedDict[Any, Any], size: int) -> None:
    while len(entries) > size:
        entries.popitem(last=False)
