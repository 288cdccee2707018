"""Caches that are broken on purpose."""

from __future__ import annotations

from collections.abc import Sequence

from ....ports import Cached, CacheLease, CacheStore, Position
from ._mutant import PortMutant


class Unbroken:
    """Wraps a cache and breaks nothing."""

    def __init__(self, inner: CacheStore) -> None:
        self.inner = inner

    async def lookup(self, key: str, *, at_least: Position | None = None) -> Cached | CacheLease:
        """Look up."""
        return await self.inner.lookup(key, at_least=at_least)

    async def fill(self, lease: CacheLease, answer: Cached, *, seconds: float) -> bool:
        """Fill."""
        return await self.inner.fill(lease, answer, seconds=seconds)

    async def invalidate(self, keys: Sequence[str]) -> None:
        """Invalidate."""
        await self.inner.invalidate(keys)


class NoLease(Unbroken):
    """Takes any fill, whatever became of its lease."""

    async def fill(self, lease: CacheLease, answer: Cached, *, seconds: float) -> bool:
        if await self.inner.fill(lease, answer, seconds=seconds):
            return True
        other = await self.inner.lookup(lease.key, at_least=Position(2**63 - 1))
        return isinstance(other, CacheLease) and await self.inner.fill(other, answer, seconds=seconds)


class OnlyThere(Unbroken):
    """Invalidates what is there, and forgets leases for what is not."""

    async def invalidate(self, keys: Sequence[str]) -> None:
        there = [key for key in keys if isinstance(await self.inner.lookup(key), Cached)]
        await self.inner.invalidate(there)


class FirstOnly(Unbroken):
    """Invalidates the first of many keys."""

    async def invalidate(self, keys: Sequence[str]) -> None:
        await self.inner.invalidate(keys[:1])


class LastWins(Unbroken):
    """Lets an older answer replace a newer one."""

    async def fill(self, lease: CacheLease, answer: Cached, *, seconds: float) -> bool:
        if await self.inner.fill(lease, answer, seconds=seconds):
            return True
        other = await self.inner.lookup(lease.key, at_least=Position(2**63 - 1))
        if not isinstance(other, CacheLease) or other.mark != lease.mark:
            return False
        await self.inner.invalidate([lease.key])
        again = await self.inner.lookup(lease.key)
        return isinstance(again, CacheLease) and await self.inner.fill(again, answer, seconds=seconds)


class NeverTooOld(Unbroken):
    """Gives an answer that is older than what is asked for."""

    async def lookup(self, key: str, *, at_least: Position | None = None) -> Cached | CacheLease:
        return await self.inner.lookup(key)


class AlwaysTooOld(Unbroken):
    """Wants an answer to be newer than what is asked for."""

    async def lookup(self, key: str, *, at_least: Position | None = None) -> Cached | CacheLease:
        return await self.inner.lookup(key, at_least=None if at_least is None else Position(at_least + 1))


class ForEver(Unbroken):
    """Keeps answers longer than was said."""

    async def fill(self, lease: CacheLease, answer: Cached, *, seconds: float) -> bool:
        return await self.inner.fill(lease, answer, seconds=seconds + 60)


class OneLog(Unbroken):
    """Forgets which log an answer comes from."""

    async def fill(self, lease: CacheLease, answer: Cached, *, seconds: float) -> bool:
        return await self.inner.fill(lease, answer._replace(log="log"), seconds=seconds)


class ShortKeys(Unbroken):
    """Confuses long keys."""

    async def lookup(self, key: str, *, at_least: Position | None = None) -> Cached | CacheLease:
        return await self.inner.lookup(key[:1000], at_least=at_least)


class Forgetful(Unbroken):
    """Says that it keeps answers, and does not."""

    async def fill(self, lease: CacheLease, answer: Cached, *, seconds: float) -> bool:
        return True


class OneLease(Unbroken):
    """Makes a lease worthless when another is given out."""

    def __init__(self, inner: CacheStore) -> None:
        super().__init__(inner)
        self._latest: dict[str, object] = {}

    async def lookup(self, key: str, *, at_least: Position | None = None) -> Cached | CacheLease:
        found = await self.inner.lookup(key, at_least=at_least)
        if isinstance(found, CacheLease):
            found = self._latest[key] = CacheLease(*found)
        return found

    async def fill(self, lease: CacheLease, answer: Cached, *, seconds: float) -> bool:
        return self._latest.get(lease.key) is lease and await self.inner.fill(lease, answer, seconds=seconds)


CACHES = (
    PortMutant("fills need no lease", "test_a_fill_that_began_before_an_invalidation_never_lands", NoLease),
    PortMutant("a deletion leaves its leases", "test_a_deleted_answer_is_not_brought_back", NoLease),
    PortMutant("leases of absent keys stay", "test_a_fill_that_began_before_an_invalidation_never_lands", OnlyThere),
    PortMutant("one of many is invalidated", "test_an_invalidation_forgets", FirstOnly),
    PortMutant("older answers win", "test_an_older_answer_does_not_replace_a_newer_one", LastWins),
    PortMutant("logs are one", "test_an_older_answer_does_not_replace_a_newer_one", OneLog),
    PortMutant("old answers are given", "test_an_answer_that_is_too_old_is_not_given", NeverTooOld),
    PortMutant("new answers are too old", "test_an_answer_that_is_too_old_is_not_given", AlwaysTooOld),
    PortMutant("answers do not end", "test_an_answer_ends", ForEver),
    PortMutant("long keys are one", "test_keys_may_be_any_text", ShortKeys),
    PortMutant("nothing is kept", "test_what_was_filled_in_is_found", Forgetful),
    PortMutant("there is one lease at a time", "test_leases_of_one_time_are_equally_good", OneLease),
)
"""Each is killed by the named test of `CacheSuite`."""
