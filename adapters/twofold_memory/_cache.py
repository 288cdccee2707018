"""The cache."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple
from uuid import uuid4

import anyio

from twofold.ports import Cached, CacheLease, Position


class Kept(NamedTuple):
    """An answer, and when it ends by the clock of the event loop."""

    answer: Cached
    ends: float


class InMemoryCache:
    """Keep answers in this process. Others do not see them, nor that they are invalidated: use it where there is one.

    Args:
        size: how many answers are kept at most; those that were not asked for longest go first.
    """

    def __init__(self, *, size: int = 10_000) -> None:
        self._size = size
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._leases: OrderedDict[str, str] = OrderedDict()

    async def lookup(self, key: str, *, at_least: Position | None = None) -> Cached | CacheLease:
        """Return what is kept, or the lease to fill it in."""
        kept = self._kept.get(key)
        if kept is not None and kept.ends > anyio.current_time():
            self._kept.move_to_end(key)
            if at_least is None or kept.answer.position >= at_least:
                return kept.answer
        mark = self._leases.setdefault(key, uuid4().hex)
        self._leases.move_to_end(key)
        while len(self._leases) > self._size:
            self._leases.popitem(last=False)
        return CacheLease(key, mark)

    async def fill(self, lease: CacheLease, answer: Cached, *, seconds: float) -> bool:
        """Keep an answer, if the lease is good and none is newer."""
        now, kept = anyio.current_time(), self._kept.get(lease.key)
        if self._leases.get(lease.key) != lease.mark:
            return False
        if kept is not None and kept.ends > now and _is_newer(kept.answer, answer):
            return False
        self._kept[lease.key] = Kept(answer, now + seconds)
        self._kept.move_to_end(lease.key)
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)
        return True

    async def invalidate(self, keys: Sequence[str]) -> None:
        """Forget answers and leases."""
        for key in keys:
            self._kept.pop(key, None)
            self._leases.pop(key, None)


def _is_newer(one: Cached, other: Cached) -> bool:
    return one.log == other.log and one.position > other.position
