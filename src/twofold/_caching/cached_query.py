"""A query with cached answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .._definitions.cache import Cache
from .._definitions.message import Query
from ..errors import TransientFailure
from ..ports.cache import CacheStore


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

    def kept_as(self, log: str) -> str:
        """Return the name of the query in the cache. Other logs, schemas and subscriptions have other names.

        A release with other invalidation rules has another subscription, which does not know the answers that the earlier
        subscription had yet to invalidate.
        """
        return f"{self.shape}.{self.subscription.rpartition('.')[2]}.{log}"


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
