"""Forget cached answers: a subscription that follows the projections."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from .._consistency.token import Written
from .._consistency.waiting import Consistency
from .._definitions.message import Event
from .._definitions.position import Position
from .._subscriptions.subscription import Finish, finish_only
from ..ports.cache import CacheKey, CacheStore
from ..ports.event_log import StoredEvent
from ..ports.stores import WriteStore
from .cached_query import CachedQuery
from .keys import KeyFormat

logger = logging.getLogger("twofold.cache")

_PATIENCE = 1.0
"""How long a page waits for the projections before it is begun again, in seconds."""


class CacheEffect:
    """Waits until the projections that some queries read have passed an event, then ends their answers, then moves on.

    So an answer that is loaded after the invalidation has what the event changed, and a crash in between repeats it. An
    event that a projection has set aside is passed: as long as there is one, the answers that lack it are not kept.

    Args:
        queries: the queries; all of them read the same projections.
        cache: the cache.
        store: where the checkpoint is.
        consistency: knows how far the projections are.
    """

    def __init__(
        self, queries: Sequence[CachedQuery], cache: CacheStore, store: WriteStore, consistency: Consistency
    ) -> None:
        self._ends: dict[type[Event], list[tuple[KeyFormat, CachedQuery]]] = {}
        for query in queries:
            for event_type, key in query.cache.invalidated_by.items():
                self._ends.setdefault(event_type, []).append((KeyFormat(key), query))
        self._reads = queries[0].reads
        self._cache = cache
        self._store = store
        self._consistency = consistency

    async def apply(
        self, items: Sequence[tuple[StoredEvent, Event]], finish: Finish, *, at: Position | None = None
    ) -> None:
        if items:
            log = await self._store.log.identity()
            await self._consistency.wait(self._reads, Written(log, items[-1][0].position, ()), _PATIENCE)
            await self._end([event for _, event in items], log)
        await finish_only(self._store, finish, len(items))

    async def _end(self, events: Sequence[Event], log: str) -> None:
        """End the answers whose keys these events name; all of a query's when an event has no key for it."""
        keys: dict[CacheKey, None] = {}
        queries: dict[str, None] = {}
        for event in events:
            for key, query in self._ends[type(event)]:
                kept_as = query.kept_as(log)
                try:
                    keys[CacheKey(kept_as, key.of(event))] = None
                except Exception as error:  # noqa: BLE001 -- a value of any type may refuse its format
                    queries[kept_as] = None
                    logger.warning(
                        "cannot make the key %r of an event, and forget all cached answers of %s instead: %s",
                        query.cache.invalidated_by[type(event)],
                        query.message.__name__,
                        error,
                    )
        await self._cache.invalidate(list(keys))
        if queries:
            await self._cache.forget(list(queries))
