from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import pytest

from tests.caches import CACHES
from twofold.ports import CacheStore
from twofold.testing.conformance import CacheSuite, NewCache
from twofold.testing.conformance._in_time import patience
from twofold.testing.conformance.mutants._cache import CACHES as BROKEN
from twofold.testing.conformance.mutants._cache import CacheMutant, Unbroken
from twofold.testing.conformance.mutants._harness import NOTICED


@pytest.fixture(params=CACHES)
def kind(request: pytest.FixtureRequest) -> str:
    """Name the adapter of a test."""
    return str(request.param)


def breaking(new_cache: NewCache, broken: Callable[[CacheStore], CacheStore]) -> NewCache:
    """Return what opens broken caches."""

    @asynccontextmanager
    async def new() -> AsyncIterator[CacheStore]:
        async with new_cache() as cache:
            yield broken(cache)

    return new


@pytest.mark.parametrize("mutant", BROKEN, ids=lambda mutant: mutant.name)
async def test_a_mutant_is_killed(mutant: CacheMutant, new_cache: NewCache) -> None:
    """The named test notices what is broken, and does not merely hang."""
    patience.set(2.0)
    with pytest.raises(NOTICED), anyio.fail_after(10):
        await getattr(CacheSuite(), mutant.killed_by)(breaking(new_cache, mutant.break_cache))


@pytest.mark.parametrize("killer", sorted({mutant.killed_by for mutant in BROKEN}))
async def test_the_wrappers_themselves_break_nothing(killer: str, new_cache: NewCache) -> None:
    """The same test passes on a cache that is wrapped and not broken."""
    await getattr(CacheSuite(), killer)(breaking(new_cache, Unbroken))
