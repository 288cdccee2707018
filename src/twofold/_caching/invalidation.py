"""Invalidate cached answers: after the commit of a command, and by a subscription that follows the projections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from .._background.log_lines import logger_of
from .._consistency.token import Written
from .._consistency.waiting import Consistency
from .._definitions.message import Event
from .._definitions.position import Position
from .._definitions.subclasses import stored_names, stored_types
from .._encoding.wire_types import EventTypes
from .._subscriptions.processor import Advance, advance_only
from ..ports.cache import CacheKey, CacheStore
from ..ports.event_log import StoredEvent
from ..ports.stores import WriteStore
from .answers import Answers
from .cached_query import CachedQuery
from .keys import KeyFormat, key_of_event
from .pipeline import Caching

logger = logger_of("twofold.cache")

_TIMEOUT = 1.0
"""Seconds that a batch waits for the projections before it is retried."""


class Outdated(NamedTuple):
    """The answers that events make outdated.

    Attributes:
        keys: the keys of answers.
        queries: queries of which all answers are outdated, because an event has no key.
    """

    keys: Sequence[CacheKey]
    queries: Sequence[str]


class _Rule(NamedTuple):
    """An entry of `invalidated_by`: the key, the class of events, and the query."""

    key: KeyFormat
    event: type[Event]
    query: CachedQuery


@dataclass(frozen=True, eq=False)
class Rules:
    """Knows which answers an event makes outdated.

    Attributes:
        queries: the queries.
    """

    queries: Sequence[CachedQuery]

    @cached_property
    def _invalidates(self) -> Mapping[type[Event], Sequence[_Rule]]:
        found: dict[type[Event], list[_Rule]] = {}
        for query in self.queries:
            for event_type in query.cache.invalidated_by:
                rule = _Rule(key_of_event(query.message, query.cache, event_type), event_type, query)
                for each in stored_types(event_type):
                    found.setdefault(each, []).append(rule)
        return found

    def outdated(self, events: Iterable[Event], log: str) -> Outdated:
        """Return the answers that events make outdated.

        Args:
            events: the events.
            log: the identity of their log.
        """
        keys: dict[CacheKey, None] = {}
        queries: dict[str, None] = {}
        for event in events:
            for key, registered, query in self._invalidates.get(type(event), ()):
                kept_as = query.kept_as(log)
                try:
                    keys[CacheKey(kept_as, key.of(event))] = None
                except Exception as error:  # noqa: BLE001 -- a value of any type may refuse its format
                    queries[kept_as] = None
                    logger.warning(
                        "cannot format the key %r of an event, and invalidate all cached answers of %s instead: %s",
                        query.cache.invalidated_by[registered],
                        query.message.__name__,
                        error,
                    )
        return Outdated(list(keys), list(queries))


@dataclass(frozen=True, slots=True, eq=False)
class InvalidationProcessor:
    """Waits until the projections have applied an event, then invalidates the answers, then advances the checkpoint.

    An answer that is loaded after the invalidation therefore contains the changes of the event, and after a crash in
    between the invalidation is repeated. An event that a projection has parked counts as applied: as long as a projection
    has a parked event, no answer that depends on it is cached.

    Attributes:
        rules: the rules of the queries, which all read the same projections.
        reads: the names of the projections.
        cache: the cache store.
        store: the store of the checkpoint.
        consistency: knows the checkpoints of the projections.
    """

    rules: Rules
    reads: Sequence[str]
    cache: CacheStore
    store: WriteStore
    consistency: Consistency

    async def apply(
        self,
        events: Sequence[tuple[StoredEvent, Event]],
        advance: Advance,
        *,
        at: Position | None = None,
        attempt: int = 1,
    ) -> None:
        if events:
            log = await self.store.log.identity()
            last = events[-1][0]
            await self.consistency.wait(self.reads, Written(log, last.position, (), event=last.id), _TIMEOUT)
            outdated = self.rules.outdated([event for _, event in events], log)
            await self.cache.invalidate(outdated.keys)
            if outdated.queries:
                await self.cache.invalidate_queries(outdated.queries)
        await advance_only(self.store, advance, len(events))


class CommitInvalidation:
    """Invalidates the answers that a command makes outdated before the command returns, if they are read from its store.

    Those are the answers of queries that read inline projections, or no projection at all. The subscription invalidates
    them again, in case this process ends right after the commit.

    Args:
        cachings: the cached answers of these queries.
        answers: the cache.
        store: the store of the event log.
        event_types: decodes events.
    """

    def __init__(
        self, cachings: Sequence[Caching], answers: Answers, store: WriteStore, event_types: EventTypes
    ) -> None:
        self._rules = Rules([each.query for each in cachings])
        self._cachings = cachings
        self._answers = answers
        self._store = store
        self._event_types = event_types
        self._names = stored_names(event for each in cachings for event in each.query.cache.invalidated_by)

    async def __call__(self, stored: Sequence[StoredEvent]) -> None:
        """Invalidate the answers that committed events make outdated. The command succeeds although the cache fails."""
        events = [event for event in stored if self._names is None or event.name in self._names]
        if not events:
            return
        log = await self._store.log.identity()
        keys, queries = self._rules.outdated(map(self._event_types.decode_stored, events), log)
        for caching in self._cachings:
            kept_as = caching.query.kept_as(log)
            mine = {key.key for key in keys if key.query == kept_as}
            caching.leave_loads(None if kept_as in queries else mine)
        await self._answers.invalidate(keys, queries, max(event.position for event in events))
