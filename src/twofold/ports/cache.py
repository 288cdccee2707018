"""The cache of query answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol
from uuid import UUID

from .._definitions.position import Position


class CacheKey(NamedTuple):
    """The key of cached answers, one for each tenant. An invalidation of the key ends all of them.

    Attributes:
        query: the query and the shape of its answers.
        key: identifies one of its answers.
    """

    query: str
    key: str


class Cached(NamedTuple):
    """A cached answer.

    Attributes:
        text: the answer, as JSON text.
        position: the position that the read models had at least reached when the answer was read.
        log: the identity of the log that the position belongs to.
        event: the id of the event at the position; None at `START`.
    """

    text: str
    position: Position
    log: str
    event: UUID | None = None


class CacheLease(NamedTuple):
    """The right to fill in a missing answer, until its key is invalidated.

    Attributes:
        key: the key that was looked up.
        tenant: the tenant.
        mark: how the store identifies the lease.
    """

    key: CacheKey
    tenant: str | None
    mark: str


class CacheStore(Protocol):
    """Store answers by key and tenant.

    A fill that began before an invalidation has no effect, whether the key was present, absent, or has never existed.
    The same holds for a fill whose position in the same log is not later than that of the cached answer: the order of
    two answers with the same position is not known. The store may evict anything at any moment.

    Evicted and invalidated answers are never returned again. A store that may return to older contents, from a snapshot
    or after a failover to a replica, never returns older answers, and rejects fills with earlier leases. Its adapter
    documents how soon it notices.

    Every call may raise `TransientFailure` if the store does not answer within the adapter's timeout, a fraction of a
    second, because a query waits. The timeout starts when the call is sent. A call that waits for other calls of this
    process is not late for that reason, but fails with them. The query is then answered without the cache.
    """

    async def lookup(
        self, key: CacheKey, tenant: str | None = None, *, at_least: Position | None = None
    ) -> Cached | CacheLease:
        """Return the cached answer, or a lease to fill it in.

        All leases of one key between two invalidations are equally valid. An answer that cannot be decoded, because another
        program has written it, counts as missing.

        Args:
            key: the key; any text, as is the tenant.
            tenant: the tenant. Answers for no tenant, None, differ from those for the tenant "".
            at_least: the earliest acceptable position. For an older answer, return a lease to replace it.
        """
        ...

    async def fill(self, lease: CacheLease, answer: Cached, *, seconds: float) -> bool:
        """Keep an answer for `seconds`. Return whether the lease was valid and the answer later than the cached one."""
        ...

    async def invalidate(self, keys: Sequence[CacheKey]) -> None:
        """Delete the answers of these keys for every tenant, and make all their leases invalid."""
        ...

    async def invalidate_queries(self, queries: Sequence[str]) -> None:
        """Invalidate all keys of these queries. This may take long, and is rarely called."""
        ...
