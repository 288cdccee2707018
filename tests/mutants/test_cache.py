"""Caches that are broken on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.caches import CACHES
from tests.mutants.combinators import changing, changing_result, ignoring, instead, replacing, without_zeros
from tests.mutants.harness import Mutants, MutantSuite
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


def _without_zeros(found: Cached | CacheLease) -> Cached | CacheLease:
    return found._replace(text=without_zeros(found.text)) if isinstance(found, Cached) else found


MUTANTS: Mutants = {
    "test_every_value_is_found": {"answers drop trailing zeros": changing_result("lookup", to=_without_zeros)},
    "test_a_fill_that_began_before_an_invalidation_never_lands": {
        "fills need no lease": instead(fill=_fill_without_lease),
        "leases of absent keys stay": instead(invalidate=_invalidate_what_is_there),
    },
    "test_a_deleted_answer_is_not_brought_back": {"a deletion leaves its leases": instead(fill=_fill_without_lease)},
    "test_an_invalidation_deletes_answers": {
        "one of many is invalidated": changing("invalidate", keys=lambda keys: keys[:1])
    },
    "test_only_a_later_answer_replaces_another": {
        "older answers win": instead(fill=_fill_older),
        "the second answer wins": SecondWins,
        "logs are one": changing("fill", answer=lambda answer: answer._replace(log="log")),
    },
    "test_an_invalidation_is_for_every_tenant": {
        "nobody is a tenant": changing("lookup", tenant=lambda tenant: tenant or None),
        "tenants keep their answers": instead(lookup=_lookup_by_tenant),
    },
    "test_all_answers_of_a_query_are_invalidated": {
        "queries are one": changing("lookup", key=lambda key: CacheKey("q", f"{key.query} {key.key}")),
        "queries are not invalidated": ignoring("invalidate_queries"),
    },
    "test_an_answer_that_is_too_old_is_not_given": {
        "old answers are given": replacing("lookup", at_least=None),
        "new answers are too old": changing("lookup", at_least=lambda least: least and Position(least + 1)),
    },
    "test_an_answer_ends": {"answers do not end": changing("fill", seconds=lambda seconds: seconds + 60)},
    "test_keys_may_be_any_text": {
        "long keys are one": changing("lookup", key=lambda key: key._replace(key=key.key[:1000]))
    },
    "test_a_filled_in_answer_is_found": {"nothing is kept": ignoring("fill", returning=True)},
    "test_leases_of_one_time_are_equally_good": {"there is one lease at a time": OneLease},
}


class TestMutants(MutantSuite):
    """Broken caches."""

    suite = CacheSuite
    mutants = MUTANTS
    kinds = CACHES
    opener = "new_cache"
    unbroken = Proxy
