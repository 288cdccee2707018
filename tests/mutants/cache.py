"""Caches that are broken on purpose."""

from __future__ import annotations

from collections.abc import Sequence

from twofold.ports import Cached, CacheKey, CacheLease, CacheStore, Position

from .mutant import PortMutant


class Unbroken:
    """Wraps a cache and breaks nothing."""

    def __init__(self, inner: CacheStore) -> None:
        self.inner = inner

    async def lookup(
        self, key: CacheKey, tenant: str | None = None, *, at_least: Position | None = None
    ) -> Cached | CacheLease:
        """Look up."""
        return await self.inner.lookup(key, tenant, at_least=at_least)

    async def fill(self, lease: CacheLease, answer: Cached, *, seconds: float) -> bool:
        """Fill."""
        return await self.inner.fill(lease, answer, seconds=seconds)

    async def invalidate(self, keys: Sequence[CacheKey]) -> None:
        """Invalidate."""
        await self.inner.invalidate(keys)

    async def forget(self, queries: Sequence[str]) -> None:
        """Forget."""
        await self.inner.forget(queries)


class NoLease(Unbroken):
    """Takes any fill, whatever became of its lease."""

    async def fill(self, lease: CacheLease, answer: Cached, *, seconds: float) -> bool:
        if await self.inner.fill(lease, answer, seconds=seconds):
            return True
        other = await self.inner.lookup(lease.key, lease.tenant, at_least=Position(2**63 - 1))
        return isinstance(other, CacheLease) and await self.inner.fill(other, answer, seconds=seconds)


class OnlyThere(Unbroken):
    """Invalidates what is there, and forgets leases for what is not."""

    async def invalidate(self, keys: Sequence[CacheKey]) -> None:
        there = [key for key in keys if isinstance(await self.inner.lookup(key), Cached)]
        await self.inner.invalidate(there)


class FirstOnly(Unbroken):
    """Invalidates the first of many keys."""

    async def invalidate(self, keys: Sequence[CacheKey]) -> None:
        await self.inner.invalidate(keys[:1])


class SecondWins(Unbroken):
    """Lets an answer replace another of the same position."""

    def __init__(self, inner: CacheStore) -> None:
        super().__init__(inner)
        self._positions: dict[CacheKey, tuple[str, Position]] = {}

    async def fill(self, lease: CacheLease, answer: Cached, *, seconds: float) -> bool:
        place = answer.log, answer.position
        if self._positions.get(lease.key) == place:
            await self.inner.invalidate([lease.key])
            again = await self.inner.lookup(lease.key, lease.tenant)
            return isinstance(again, CacheLease) and await self.inner.fill(again, answer, seconds=seconds)
        filled = await self.inner.fill(lease, answer, seconds=seconds)
        if filled:
            self._positions[lease.key] = place
        return filled


class OneTenant(Unbroken):
    """Takes nobody for a tenant whose name is empty."""

    async def lookup(
        self, key: CacheKey, tenant: str | None = None, *, at_least: Position | None = None
    ) -> Cached | CacheLease:
        return await self.inner.lookup(key, tenant or None, at_least=at_least)


class OwnTenant(Unbroken):
    """Lets an invalidation end the answers for nobody, and leave those of tenants."""

    async def lookup(
        self, key: CacheKey, tenant: str | None = None, *, at_least: Position | None = None
    ) -> Cached | CacheLease:
        own = key if tenant is None else key._replace(key=f"{key.key} of {tenant}")
        return await self.inner.lookup(own, tenant, at_least=at_least)


class OneQuery(Unbroken):
    """Forgets all there is for one query."""

    async def lookup(
        self, key: CacheKey, tenant: str | None = None, *, at_least: Position | None = None
    ) -> Cached | CacheLease:
        return await self.inner.lookup(CacheKey("q", f"{key.query} {key.key}"), tenant, at_least=at_least)


class Unforgetting(Unbroken):
    """Forgets no query."""

    async def forget(self, queries: Sequence[str]) -> None:
        pass


class LastWins(Unbroken):
    """Lets an older answer replace a newer one."""

    async def fill(self, lease: CacheLease, answer: Cached, *, seconds: float) -> bool:
        if await self.inner.fill(lease, answer, seconds=seconds):
            return True
        other = await self.inner.lookup(lease.key, lease.tenant, at_least=Position(2**63 - 1))
        if not isinstance(other, CacheLease) or other.mark != lease.mark:
            return False
        await self.inner.invalidate([lease.key])
        again = await self.inner.lookup(lease.key, lease.tenant)
        return isinstance(again, CacheLease) and await self.inner.fill(again, answer, seconds=seconds)


class NeverTooOld(Unbroken):
    """Gives an answer that is older than what is asked for."""

    async def lookup(
        self, key: CacheKey, tenant: str | None = None, *, at_least: Position | None = None
    ) -> Cached | CacheLease:
        return await self.inner.lookup(key, tenant)


class AlwaysTooOld(Unbroken):
    """Wants an answer to be newer than what is asked for."""

    async def lookup(
        self, key: CacheKey, tenant: str | None = None, *, at_least: Position | None = None
    ) -> Cached | CacheLease:
        return await self.inner.lookup(key, tenant, at_least=None if at_least is None else Position(at_least + 1))


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

    async def lookup(
        self, key: CacheKey, tenant: str | None = None, *, at_least: Position | None = None
    ) -> Cached | CacheLease:
        return await self.inner.lookup(key._replace(key=key.key[:1000]), tenant, at_least=at_least)


class Forgetful(Unbroken):
    """Says that it keeps answers, and does not."""

    async def fill(self, lease: CacheLease, answer: Cached, *, seconds: float) -> bool:
        return True


class OneLease(Unbroken):
    """Makes a lease worthless when another is given out."""

    def __init__(self, inner: CacheStore) -> None:
        super().__init__(inner)
        self._latest: dict[CacheKey, object] = {}

    async def lookup(
        self, key: CacheKey, tenant: str | None = None, *, at_least: Position | None = None
    ) -> Cached | CacheLease:
        found = await self.inner.lookup(key, tenant, at_least=at_least)
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
    PortMutant("older answers win", "test_only_a_later_answer_replaces_another", LastWins),
    PortMutant("the second answer wins", "test_only_a_later_answer_replaces_another", SecondWins),
    PortMutant("logs are one", "test_only_a_later_answer_replaces_another", OneLog),
    PortMutant("nobody is a tenant", "test_an_invalidation_is_for_every_tenant", OneTenant),
    PortMutant("tenants keep their answers", "test_an_invalidation_is_for_every_tenant", OwnTenant),
    PortMutant("queries are one", "test_whole_queries_are_forgotten", OneQuery),
    PortMutant("queries are not forgotten", "test_whole_queries_are_forgotten", Unforgetting),
    PortMutant("old answers are given", "test_an_answer_that_is_too_old_is_not_given", NeverTooOld),
    PortMutant("new answers are too old", "test_an_answer_that_is_too_old_is_not_given", AlwaysTooOld),
    PortMutant("answers do not end", "test_an_answer_ends", ForEver),
    PortMutant("long keys are one", "test_keys_may_be_any_text", ShortKeys),
    PortMutant("nothing is kept", "test_what_was_filled_in_is_found", Forgetful),
    PortMutant("there is one lease at a time", "test_leases_of_one_time_are_equally_good", OneLease),
)
"""Each is killed by the named test of `CacheSuite`."""
