"""Which queries are cached, and which subscription ends their answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from .._definitions.cache import Cache
from .._definitions.message import Query
from .._registration.entries import QueryEntry
from ..errors import TransientFailure
from ..ports.cache import CacheStore
from .keys import cacheable, shape_of


@dataclass(frozen=True, slots=True)
class CachedQuery:
    """A query whose answers are kept.

    Attributes:
        message: the query.
        cache: how its answers are kept.
        reads: the projections that it reads, sorted.
        shape: the query, and the shape of its answers.
        subscription: the name of what ends its answers; empty when no event does.
    """

    message: type[Query[Any]]
    cache: Cache
    reads: tuple[str, ...]
    shape: str
    subscription: str

    def kept_as(self, log: str) -> str:
        """Return what the cache knows it by. Logs, shapes and subscriptions do not meet.

        A release with other rules has another subscription, which does not know what the one before had still to end.
        """
        return f"{self.shape}.{self.subscription.rpartition('.')[2]}.{log}"


def cached_queries(
    entries: Iterable[QueryEntry], reads: Mapping[type[Query[Any]], Sequence[str]]
) -> Sequence[CachedQuery]:
    """Return the queries that say `cache=`. Those that read the same projections share a subscription.

    A projection that stands still so holds up no answers but those that are made of it.
    """
    found = [
        (entry.message, entry.cache, tuple(sorted(reads[entry.message])), shape_of(entry.message))
        for entry in entries
        if entry.cache is not None and cacheable(entry.message)
    ]
    rules: dict[tuple[str, ...], list[str]] = {}
    for _, cache, read, shape in found:
        for event_type, key in cache.invalidated_by.items():
            rules.setdefault(read, []).append(f"{event_type.message_name} {shape} {key}")
    return [
        CachedQuery(message, cache, read, shape, _name(read, rules[read]) if cache.invalidated_by else "")
        for message, cache, read, shape in found
    ]


def _name(reads: tuple[str, ...], rules: Sequence[str]) -> str:
    """Return the name of a checkpoint: another one for other rules.

    While two releases run side by side, neither passes an event for the other.
    """
    return f"twofold.cache.{sha256(repr((reads, sorted(rules))).encode()).hexdigest()[:8]}"


async def forget_answers(cache: CacheStore | None, queries: Iterable[CachedQuery], projection: str, log: str) -> None:
    """Forget the answers that were made of a projection's old rows, when it has new ones.

    Raises:
        TransientFailure: the cache does not answer.
    """
    made_of_it = [query.kept_as(log) for query in queries if projection in query.reads]
    if cache is None or not made_of_it:
        return
    try:
        await cache.forget(made_of_it)
    except TransientFailure as error:
        raise TransientFailure(
            f"cannot forget the cached answers that were made of the old rows of {projection!r}, which has new ones now: "
            f"{error} Empty the cache, or wait until their ttl is over."
        ) from error
