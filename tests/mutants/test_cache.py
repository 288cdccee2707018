"""Caches that are broken on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.caches import CACHES
from tests.mutants.combinators import changing, ignoring, instead, replacing
from tests.mutants.harness import MutantSuite
from tests.mutants.mutant import Mutant
from twofold.ports import Cached, CacheKey, CacheLease, CacheStore, Position
from twofold.testing.conformance import CacheSuite
from twofold.testing.conformance._tools.proxy import Proxy

END = Position(2**63 - 1)


async def _fill_without_lease(cache: CacheStore, lease: CacheLease, answer: Cached, *, seconds: float) -> bool:
    if await cache.fill(lease, answer, seconds=seconds):
        return True
    other = await cache.lookup(lease.key, lease.tenant, at_least=END)
    return isinstance(other, CacheLease) and await cache.fill(other, answer, seconds=seconds)


async def _fill_older(cache: CacheStore, lease: CacheLease, answer: Cached, *, seconds: float) -> bool:
    if await cache.fill(lease, answer, seconds=seconds):
        return True
    other = await cache.lookup(lease.key, lease.tenant, at_least=END)
    if not isinstance(other, CacheLease) or other.mark != lease.mark:
        return False
    return await _fill_again(cache, lease, answer, seconds=seconds)


async def _fill_again(cache: CacheStore, lease: CacheLease, answer: Cached, *, seconds: float) -> bool:
    await cache.invalidate([lease.key])
    again = await cache.lookup(lease.key, lease.tenant)
    return isinstance(again, CacheLease) and await cache.fill(again, answer, seconds=seconds)


async def _invalidate_what_is_there(cache: CacheStore, keys: Sequence[CacheKey]) -> None:
    await cache.invalidate([key for key in keys if isinstance(await cache.lookup(key), Cached)])


async def _lookup_by_tenant(cache: CacheStore, key: CacheKey, tenant: str | None = None, **options: Any) -> object:
    own = key if tenant is None else key._replace(key=f"{key.key} of {tenant}")
    return await cache.lookup(own, tenant, **options)


class SecondWins(Proxy):
    """Lets an answer replace another of the same position."""

    def __init__(self, inner: CacheStore) -> None:
        super().__init__(inner)
        self._filled: dict[CacheKey, tuple[str, Position]] = {}

    async def fill(self, lease: CacheLease, answer: Cached, *, seconds: float) -> bool:
        position = answer.log, answer.position
        if self._filled.get(lease.key) == position:
            return await _fill_again(self.inner, lease, answer, seconds=seconds)
        filled = bool(await self.inner.fill(lease, answer, seconds=seconds))
        if filled:
            self._filled[lease.key] = position
        return filled


class OneLease(Proxy):
    """Ends a lease when another one is given out."""

    def __init__(self, inner: CacheStore) -> None:
        super().__init__(inner)
        self._latest: dict[CacheKey, object] = {}

    async def lookup(self, key: CacheKey, *args: Any, **options: Any) -> Cached | CacheLease:
        found: Cached | CacheLease = await self.inner.lookup(key, *args, **options)
        if isinstance(found, CacheLease):
            found = self._latest[key] = CacheLease(*found)
        return found

    async def fill(self, lease: CacheLease, answer: Cached, *, seconds: float) -> bool:
        return self._latest.get(lease.key) is lease and await self.inner.fill(lease, answer, seconds=seconds)


BEGAN_BEFORE = "test_a_fill_that_began_before_an_invalidation_never_lands"
TOO_OLD = "test_an_answer_that_is_too_old_is_not_given"
REPLACES = "test_only_a_later_answer_replaces_another"
TENANTS = "test_an_invalidation_is_for_every_tenant"
QUERIES = "test_whole_queries_are_forgotten"

MUTANTS = (
    Mutant("fills need no lease", BEGAN_BEFORE, instead(fill=_fill_without_lease)),
    Mutant(
        "a deletion leaves its leases", "test_a_deleted_answer_is_not_brought_back", instead(fill=_fill_without_lease)
    ),
    Mutant("leases of absent keys stay", BEGAN_BEFORE, instead(invalidate=_invalidate_what_is_there)),
    Mutant(
        "one of many is invalidated", "test_an_invalidation_forgets", changing("invalidate", keys=lambda keys: keys[:1])
    ),
    Mutant("older answers win", REPLACES, instead(fill=_fill_older)),
    Mutant("the second answer wins", REPLACES, SecondWins),
    Mutant("logs are one", REPLACES, changing("fill", answer=lambda answer: answer._replace(log="log"))),
    Mutant("nobody is a tenant", TENANTS, changing("lookup", tenant=lambda tenant: tenant or None)),
    Mutant("tenants keep their answers", TENANTS, instead(lookup=_lookup_by_tenant)),
    Mutant("queries are one", QUERIES, changing("lookup", key=lambda key: CacheKey("q", f"{key.query} {key.key}"))),
    Mutant("queries are not forgotten", QUERIES, ignoring("forget")),
    Mutant("old answers are given", TOO_OLD, replacing("lookup", at_least=None)),
    Mutant(
        "new answers are too old", TOO_OLD, changing("lookup", at_least=lambda least: least and Position(least + 1))
    ),
    Mutant("answers do not end", "test_an_answer_ends", changing("fill", seconds=lambda seconds: seconds + 60)),
    Mutant(
        "long keys are one",
        "test_keys_may_be_any_text",
        changing("lookup", key=lambda key: key._replace(key=key.key[:1000])),
    ),
    Mutant("nothing is kept", "test_what_was_filled_in_is_found", ignoring("fill", returning=True)),
    Mutant("there is one lease at a time", "test_leases_of_one_time_are_equally_good", OneLease),
)


class TestMutants(MutantSuite):
    """Broken caches."""

    suite = CacheSuite
    mutants = MUTANTS
    kinds = CACHES
    opener = "new_cache"
    unbroken = Proxy
