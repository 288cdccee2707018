"""The cache of answers to queries, as an adapter keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from .event_log import Position


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
        mark: what the store knows the lease by.
    """

    key: str
    mark: str


class CacheStore(Protocol):
    """Keep answers by key.

    A fill that began before an invalidation never lands, whether the key was there, absent, or has never existed. Nor does
    one that is older, by position in the same log, than what is there: a cache does not go back in time. Anything may be
    forgotten at any moment.

    Every call may raise `TransientFailure`, when the store does not answer within the time that the adapter gives it: a
    fraction of a second, as a query waits. The query is then answered without it.
    """

    async def lookup(self, key: str, *, at_least: Position | None = None) -> Cached | CacheLease:
        """Return what is kept, or the lease to fill it in.

        Leases of one key that are given out between two invalidations are equally good, and the last fill wins.

        Args:
            key: the key.
            at_least: return an answer only when it was made at this position or later; a lease to replace it otherwise.
        """
        ...

    async def fill(self, lease: CacheLease, answer: Cached, *, seconds: float) -> bool:
        """Keep an answer for so many seconds; return whether the lease was still good and the answer not older."""
        ...

    async def invalidate(self, keys: Sequence[str]) -> None:
        """Forget answers, and make every lease worthless that was given out for these keys until now."""
        ...
