"""The cache of answers to queries, as an adapter keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from .._definitions.position import Position


class CacheKey(NamedTuple):
    """What answers are kept under, one for each tenant.

    Attributes:
        query: which query they answer, and in which shape.
        key: which of its answers they are.
    """

    query: str
    key: str


class Cached(NamedTuple):
    """An answer that was found.

    Attributes:
        text: the answer, as JSON text.
        position: how far the read models had come, at least, when it was made.
        log: the identity of the log that the position belongs to.
    """

    text: str
    position: Position
    log: str


class CacheLease(NamedTuple):
    """The right to fill in an answer that was not found, until somebody invalidates its key.

    Attributes:
        key: the key that was looked up.
        tenant: for whom.
        mark: what the store knows the lease by.
    """

    key: CacheKey
    tenant: str | None
    mark: str


class CacheStore(Protocol):
    """Keep answers by key and tenant.

    A fill that began before an invalidation never lands, whether the key was there, absent, or has never existed. Nor does
    one whose position in the same log is not later than that of what is there: a cache does not go back in time, and of two
    answers with one position nobody can say which was read first. Anything may be forgotten at any moment.

    What was forgotten or made worthless stays so. A store that may come back with older contents, from a snapshot or
    because a copy has taken over, gives nothing of what it held before that happened, and takes no fill for its leases. Its
    adapter says how soon it notices.

    Every call may raise `TransientFailure`, when the store does not answer within the time that the adapter gives it: a
    fraction of a second, as a query waits. That time begins when the call is sent; calls that have to wait for others of
    this process are not late for that, but fail with them. The query is then answered without the cache.
    """

    async def lookup(
        self, key: CacheKey, tenant: str | None = None, *, at_least: Position | None = None
    ) -> Cached | CacheLease:
        """Return what is kept, or the lease to fill it in.

        Leases of one key that are given out between two invalidations are equally good. What was kept and cannot be read,
        because something else has written there, is not kept.

        Args:
            key: the key; any text, as is the tenant.
            tenant: for whom; answers for nobody, None, are others than those for the tenant "".
            at_least: return an answer only when it was made at this position or later; a lease to replace it otherwise.
        """
        ...

    async def fill(self, lease: CacheLease, answer: Cached, *, seconds: float) -> bool:
        """Keep an answer for so many seconds; return whether the lease was still good and the answer later."""
        ...

    async def invalidate(self, keys: Sequence[CacheKey]) -> None:
        """Forget the answers of these keys, for every tenant, and make every lease of them worthless."""
        ...

    async def forget(self, queries: Sequence[str]) -> None:
        """Do the same with all keys of these queries. It may take long, and is called seldom."""
        ...
