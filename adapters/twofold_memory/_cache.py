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
    """Keep answers in this process. Others do not see them, nor that they are invalidated: use it where there is one.

    Each key has a mark from its first lookup until it is invalidated. What was filled in under another mark is not there.

    Args:
        size: how many answers are kept at most; those that were not asked for longest go first.
    """

    def __init__(self, *, size: int = 10_000) -> None:
        self._size = size
        self._kept: OrderedDict[tuple[CacheKey, str | None], Kept] = OrderedDict()
        self._marks: OrderedDict[CacheKey, str] = OrderedDict()

    async def lookup(
        self, key: CacheKey, tenant: str | None = None, *, at_least: Position | None = None
    ) -> Cached | CacheLease:
        """Return what is kept, or the lease to fill it in."""
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
        """Keep an answer, if the lease is good and it is later than what is there."""
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
        """Forget answers and leases."""
        for key in keys:
            self._marks.pop(key, None)

    async def forget(self, queries: Sequence[str]) -> None:
        """Forget answers and leases of whole queries."""
        await self.invalidate([key for key in self._marks if key.query in queries])

    def _there(self, key: CacheKey, tenant: str | None, mark: str) -> Cached | None:
        kept = self._kept.get((key, tenant))
        if kept is None or kept.mark != mark or kept.ends <= anyio.current_time():
            return None
        return kept.answer


def _shorten(entries: OrderedDict[Any, Any], size: int) -> None:
    while len(entries) > size:
        entries.popitem(last=False)
