"""Invalidate cached answers: a subscription that follows the projections."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from .._consistency.token import Written
from .._consistency.waiting import Consistency
from .._definitions.message import Event
from .._definitions.position import Position
from .._subscriptions.processor import Advance, advance_only
from ..ports.cache import CacheKey, CacheStore
from ..ports.event_log import StoredEvent
from ..ports.stores import WriteStore
from .cached_query import CachedQuery
from .keys import KeyFormat

logger = logging.getLogger("twofold.cache")

_TIMEOUT = 1.0
"""How long a batch waits for the projections before it is retried, in seconds."""


class InvalidationProcessor:
    """Waits until the projections have applied an event, then invalidates the answers, then advances the checkpoint.

    An answer that is loaded after the invalidation therefore contains the changes of the event, and after a crash in
    between the invalidation is repeated. An event that a projection has parked counts as applied: as long as a projection
    has a parked event, no answer that depends on it is cached.

    Args:
        queries: the queries, which all read the same projections.
        cache: the cache store.
        store: the store of the checkpoint.
        consistency: knows the checkpoints of the projections.
    """

    def __init__(
        self, queries: Sequence[CachedQuery], cache: CacheStore, store: WriteStore, consistency: Consistency
    ) -> None:
        self._invalidates: dict[type[Event], list[tuple[KeyFormat, CachedQuery]]] = {}
        for query in queries:
            for event_type, key in query.cache.invalidated_by.items():
                self._invalidates.setdefault(event_type, []).append((KeyFormat(key), query))
        self._reads = queries[0].reads
        self._cache = cache
        self._store = store
        self._consistency = consistency

    async def apply(
        self, events: Sequence[tuple[StoredEvent, Event]], advance: Advance, *, at: Position | None = None
    ) -> None:
        if events:
            log = await self._store.log.identity()
            await self._consistency.wait(self._reads, Written(log, events[-1][0].position, ()), _TIMEOUT)
            await self._invalidate([event for _, event in events], log)
        await advance_only(self._store, advance, len(events))

    async def _invalidate(self, events: Sequence[Event], log: str) -> None:
        """Invalidate the answers under the keys of these events, or all answers of a query for which an event has no key."""
        keys: dict[CacheKey, None] = {}
        queries: dict[str, None] = {}
        for event in events:
            for key, query in self._invalidates[type(event)]:
                kept_as = query.kept_as(log)
                try:
                    keys[CacheKey(kept_as, key.of(event))] = None
                except Exception as error:  # noqa: BLE001 -- a value of any type may refuse its format
                    queries[kept_as] = None
                    logger.warning(
                        "cannot format the key %r of an event, and invalidate all cached answers of %s instead: %s",
                        query.cache.invalidated_by[type(event)],
                        query.message.__name__,
                        error,
                    )
        await self._cache.invalidate(list(keys))
        if queries:
            await self._cache.forget(list(queries))
