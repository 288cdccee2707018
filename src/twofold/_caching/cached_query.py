"""The cached queries of an application."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from .._definitions.cache import Cache
from .._definitions.message import Event, Query
from .._definitions.subclasses import stored_types
from .._registration.entries import QueryEntry
from ..errors import TransientFailure
from ..ports.cache import CacheStore
from .keys import cacheable, shape_of


@dataclass(frozen=True, slots=True)
class CachedQuery:
    """A query with cached answers.

    Attributes:
        message: the class of the query.
        cache: the cache options of the query.
        reads: the names of the asynchronous projections that the query reads, sorted.
        shape: identifies the query and the schema of its answers.
        subscription: the name of the subscription that invalidates the answers; empty if no event does.
        inline: the names of the inline projections that the query reads.
    """

    message: type[Query[Any]]
    cache: Cache
    reads: tuple[str, ...]
    shape: str
    subscription: str
    inline: tuple[str, ...] = ()

    @property
    def at_commit(self) -> bool:
        """Whether the commit of a command changes the answers: the query reads an inline projection, or no projection."""
        return bool(self.inline) or not self.reads

    def kept_as(self, log: str) -> str:
        """Return the name of the query in the cache. Other logs, schemas and subscriptions have other names.

        A release with other invalidation rules has another subscription, which does not know the answers that the earlier
        subscription had yet to invalidate.
        """
        return f"{self.shape}.{self.subscription.rpartition('.')[2]}.{log}"


def cached_queries(
    entries: Iterable[QueryEntry],
    reads: Mapping[type[Query[Any]], Sequence[str]],
    inline: Mapping[type[Query[Any]], Sequence[str]],
) -> Sequence[CachedQuery]:
    """Return the queries with `cache=`. Queries that read the same projections share a subscription.

    A stopped projection therefore delays only the invalidation of answers that depend on it.

    Args:
        entries: the queries that are registered.
        reads: the names of the asynchronous projections that each query reads.
        inline: the names of the inline projections that each query reads.
    """
    found = [
        (entry.message, entry.cache, tuple(sorted(reads[entry.message])), shape_of(entry.message))
        for entry in entries
        if entry.cache is not None and cacheable(entry.message)
    ]
    rules: dict[tuple[str, ...], list[str]] = {}
    for _, cache, read, shape in found:
        for event_type, key in cache.invalidated_by.items():
            names = ["*"] if event_type is Event else [each.message_name for each in stored_types(event_type)]
            rules.setdefault(read, []).extend(f"{name} {shape} {key}" for name in names)
    return [
        CachedQuery(
            message,
            cache,
            read,
            shape,
            _name(read, rules[read]) if cache.invalidated_by else "",
            tuple(inline[message]),
        )
        for message, cache, read, shape in found
    ]


def _name(reads: tuple[str, ...], rules: Sequence[str]) -> str:
    """Return the name of a subscription. Other rules have another name, and so a checkpoint of their own.

    While two releases run at the same time, neither advances the checkpoint of the other.
    """
    return f"twofold.cache.{sha256(repr((reads, sorted(rules))).encode()).hexdigest()[:8]}"


async def invalidate_answers(
    cache: CacheStore | None, queries: Iterable[CachedQuery], projection: str, log: str
) -> None:
    """Invalidate the answers that depend on a projection, after the projection was rebuilt.

    Raises:
        TransientFailure: the cache does not answer.
    """
    dependent = [query.kept_as(log) for query in queries if projection in (*query.reads, *query.inline)]
    if cache is None or not dependent:
        return
    try:
        await cache.invalidate_queries(dependent)
    except TransientFailure as error:
        raise TransientFailure(
            f"{projection!r} is rebuilt, but the cached answers from its old rows cannot be invalidated: {error} "
            "Empty the cache, or wait until their ttl has passed."
        ) from error
