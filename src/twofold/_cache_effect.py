"""Forget cached answers: a subscription that follows the projections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

from ._cache_keys import KeyFormat, stored_key
from ._consistency import Consistency
from ._messages import Event
from ._metadata import event_envelope
from ._subscription import Finish, finish_only
from ._token import Written
from .ports.cache import CacheStore
from .ports.event_log import Position, StoredEvent
from .ports.stores import WriteStore

_PATIENCE = 1.0
"""How long a page waits for the projections before it is begun again, in seconds."""


class Invalidation(NamedTuple):
    """What an event does to the answers of a query.

    Attributes:
        key: a text with fields of the event.
        shape: the query, and the shape of its answers.
        reads: the projections that it reads.
    """

    key: str
    shape: str
    reads: Sequence[str]


Invalidations = Mapping[type[Event], Sequence[Invalidation]]


class CacheEffect:
    """Waits until the projections that a query reads have passed an event, then invalidates its answers, then moves on.

    So an answer that is loaded after the invalidation has what the event changed, and a crash in between repeats it. An
    event that a projection has set aside is passed: as long as there is one, the answers that lack it are not kept.

    Args:
        invalidations: what each event does.
        cache: the cache.
        store: where the checkpoint is.
    """

    def __init__(self, invalidations: Invalidations, cache: CacheStore, store: WriteStore) -> None:
        self._invalidations = {
            event_type: [(KeyFormat(each.key), each) for each in several]
            for event_type, several in invalidations.items()
        }
        self._cache = cache
        self._store = store
        self.consistency: Consistency | None = None
        """Set when the application runs."""

    async def apply(
        self, items: Sequence[tuple[StoredEvent, Event]], finish: Finish, *, at: Position | None = None
    ) -> None:
        if items:
            log = await self._store.log.identity()
            await self._wait(items, log)
            await self._cache.invalidate(self._keys(items, log))
        await finish_only(self._store, finish, len(items))

    async def _wait(self, items: Sequence[tuple[StoredEvent, Event]], log: str) -> None:
        if self.consistency is None:
            raise RuntimeError("the cache's subscription runs only in an application that was entered")
        reads = {name for _, event in items for _, each in self._invalidations[type(event)] for name in each.reads}
        await self.consistency.wait(sorted(reads), Written(log, items[-1][0].position, ()), _PATIENCE)

    def _keys(self, items: Sequence[tuple[StoredEvent, Event]], log: str) -> list[str]:
        return list(
            dict.fromkeys(
                stored_key(key.of(event), each.shape, log, event_envelope(stored, event).tenant)
                for stored, event in items
                for key, each in self._invalidations[type(event)]
            )
        )


def subscription_name(invalidations: Invalidations) -> str:
    """Return the name of the checkpoint: another one for other invalidations.

    While two releases run side by side, neither passes an event for the other.
    """
    told = sorted(
        f"{event_type.message_name} {each.shape} {each.key}"
        for event_type, several in invalidations.items()
        for each in several
    )
    return f"twofold.cache.{sha256(repr(told).encode()).hexdigest()[:8]}"
