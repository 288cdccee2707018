"""The cache: answers never become older, and a stale answer is never stored, however calls are interleaved."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

import anyio
import anyio.lowlevel

from twofold._encoding.result_types import answers_of
from twofold.ports import Cached, CacheKey, CacheLease, CacheStore, Position

from .._domain.value_classes import families
from .._domain.value_samples import samples
from .._domain.value_ways import accepted, named, same
from .._tools.in_time import until

NewCache: TypeAlias = Callable[[], AbstractAsyncContextManager[CacheStore]]
"""Opens an empty cache; the fixture of the suite."""

LONG = 60.0


def answer(text: str, position: int = 1, log: str = "log") -> Cached:
    """Return an answer."""
    return Cached(f'"{text}"', Position(position), log)


def key(text: str, query: str = "q") -> CacheKey:
    """Return a key of a query."""
    return CacheKey(query, text)


async def lease_of(cache: CacheStore, text: str = "k", tenant: str | None = None) -> CacheLease:
    """Look up a missing key; return the lease."""
    found = await cache.lookup(key(text), tenant)
    assert isinstance(found, CacheLease), found
    return found


async def keep(
    cache: CacheStore, kept: Cached, text: str = "k", tenant: str | None = None, *, seconds: float = LONG
) -> None:
    """Store an answer."""
    assert await cache.fill(await lease_of(cache, text, tenant), kept, seconds=seconds)


class CacheSuite:
    """The promises of a cache to the queries that use it. Needs the fixture `new_cache`."""

    async def test_a_filled_in_answer_is_found(self, new_cache: NewCache) -> None:
        """A stored answer is found unchanged, with its position and log, and only under its own key."""
        async with new_cache() as cache:
            kept = Cached('{"name": "Ümit 🚲\\n", "price": "1.10"}', Position(2**62), "l 1")
            await keep(cache, kept)
            await keep(cache, answer("other"), "k2")
            assert await cache.lookup(key("k")) == kept
            assert await cache.lookup(key("k2")) == answer("other")
            await lease_of(cache, "K")

    async def test_every_value_is_found(self, new_cache: NewCache) -> None:
        """An answer of each type of value is found unchanged."""
        async with new_cache() as cache:
            for number, sample in enumerate(samples()):
                if accepted(sample, "cached answer"):
                    answers = answers_of(families()[sample.field].ask)
                    await keep(cache, answer("")._replace(text=answers.encode(sample.value)), f"{number}")
                    found = await cache.lookup(key(f"{number}"))
                    assert isinstance(found, Cached)
                    assert same(answers.decode(found.text), sample.value), named(sample)

    async def test_keys_may_be_any_text(self, new_cache: NewCache) -> None:
        """Keys, queries and tenants with braces, spaces, other alphabets, lone surrogates or long texts stay distinct."""
        keys = ["{a}b", "{a}c", "a b", "a\nb", "ключ", "x" * 1000, "x" * 1001, "}{", "k}:of:t", "", "%", "\ud800"]
        async with new_cache() as cache:
            for query, tenant in itertools.product(("q", "q:", "*"), (None, "", "t", "k}:of:t", "t\udcff")):
                for text in keys:
                    lease = await cache.lookup(key(text, query), tenant)
                    assert isinstance(lease, CacheLease)
                    assert await cache.fill(lease, answer(f"{query} {tenant!a} {text!a}"), seconds=LONG)
            for query, tenant in itertools.product(("q", "q:", "*"), (None, "", "t", "k}:of:t", "t\udcff")):
                for text in keys:
                    assert await cache.lookup(key(text, query), tenant) == answer(f"{query} {tenant!a} {text!a}")

    async def test_a_fill_that_began_before_an_invalidation_never_lands(self, new_cache: NewCache) -> None:
        """A fill is refused if its key was invalidated after the lookup.

        The key need not exist, and may have been filled since.
        """
        async with new_cache() as cache:
            before = await lease_of(cache)
            await cache.invalidate([key("k")])
            assert not await cache.fill(before, answer("stale"), seconds=LONG)
            after = await lease_of(cache)
            assert not await cache.fill(before, answer("stale"), seconds=LONG)
            assert await cache.fill(after, answer("true"), seconds=LONG)
            assert not await cache.fill(before, answer("stale", 9), seconds=LONG)
            assert await cache.lookup(key("k")) == answer("true")

    async def test_an_invalidation_deletes_answers(self, new_cache: NewCache) -> None:
        """Invalidating several keys removes existing answers and pending leases. Other answers stay."""
        async with new_cache() as cache:
            for text in ("a", "b", "c"):
                await keep(cache, answer(text), text)
            held = [await lease_of(cache, "d")]
            await cache.invalidate([key("a"), key("c"), key("d"), key("never")])
            await lease_of(cache, "a")
            await lease_of(cache, "c")
            assert await cache.lookup(key("b")) == answer("b")
            assert not await cache.fill(held[0], answer("d"), seconds=LONG)
            await cache.invalidate([])

    async def test_a_deleted_answer_is_not_brought_back(self, new_cache: NewCache) -> None:
        """A fill that replaces an existing answer is refused if the answer was invalidated after the lookup."""
        async with new_cache() as cache:
            await keep(cache, answer("old", 1))
            newer = await cache.lookup(key("k"), at_least=Position(2))
            assert isinstance(newer, CacheLease)
            await cache.invalidate([key("k")])
            assert not await cache.fill(newer, answer("old", 2), seconds=LONG)
            await lease_of(cache)

    async def test_an_invalidation_is_for_every_tenant(self, new_cache: NewCache) -> None:
        """Each tenant has its own answers, and so has no tenant.

        An invalidation removes all of them, and all leases.
        """
        tenants = (None, "", "north", "south")
        async with new_cache() as cache:
            for tenant in tenants:
                await keep(cache, answer(f"for {tenant}"), tenant=tenant)
            for tenant in tenants:
                assert await cache.lookup(key("k"), tenant) == answer(f"for {tenant}")
            held = await lease_of(cache, tenant="west")
            await cache.invalidate([key("k")])
            for tenant in tenants:
                await lease_of(cache, tenant=tenant)
            assert not await cache.fill(held, answer("stale"), seconds=LONG)

    async def test_all_answers_of_a_query_are_invalidated(self, new_cache: NewCache) -> None:
        """`invalidate_queries` removes all answers and leases of a query. Other queries keep their answers."""
        async with new_cache() as cache:
            await cache.invalidate_queries(["q"])
            for text in ("a", "b"):
                await keep(cache, answer(text), text)
            other = await cache.lookup(key("a", "other"))
            assert isinstance(other, CacheLease)
            assert await cache.fill(other, answer("other"), seconds=LONG)
            held = await lease_of(cache, "c", "north")
            await cache.invalidate_queries(["q", "never"])
            for text in ("a", "b"):
                await lease_of(cache, text)
            assert not await cache.fill(held, answer("stale"), seconds=LONG)
            assert await cache.lookup(key("a", "other")) == answer("other")

    async def test_leases_of_one_time_are_equally_good(self, new_cache: NewCache) -> None:
        """Two concurrent loads can both store their answers, in any order."""
        async with new_cache() as cache:
            one, two = await lease_of(cache), await lease_of(cache)
            assert await cache.fill(one, answer("one", 1), seconds=LONG)
            assert await cache.fill(two, answer("two", 2), seconds=LONG)
            assert await cache.lookup(key("k")) == answer("two", 2)

    async def test_only_a_later_answer_replaces_another(self, new_cache: NewCache) -> None:
        """An answer is replaced only by one with a higher position, compared as numbers, or by one from another log.

        Of two answers with the same position, the second one may have been read first.
        """
        async with new_cache() as cache:
            one, two = await lease_of(cache), await lease_of(cache)
            assert await cache.fill(one, answer("new", 10), seconds=LONG)
            assert not await cache.fill(two, answer("old", 9), seconds=LONG)
            assert await cache.lookup(key("k")) == answer("new", 10)
            assert not await cache.fill(two, answer("as new", 10), seconds=LONG)
            assert await cache.lookup(key("k")) == answer("new", 10)
            assert await cache.fill(two, answer("far", 2**62 + 1), seconds=LONG)
            assert not await cache.fill(two, answer("near", 2**62), seconds=LONG)
            assert await cache.fill(two, answer("elsewhere", 1, "other"), seconds=LONG)
            assert await cache.lookup(key("k")) == answer("elsewhere", 1, "other")

    async def test_an_answer_that_is_too_old_is_not_given(self, new_cache: NewCache) -> None:
        """With `at_least`, a lookup returns an answer of that position or later, or a lease to store a newer answer."""
        async with new_cache() as cache:
            await keep(cache, answer("old", 10))
            assert await cache.lookup(key("k"), at_least=Position(10)) == answer("old", 10)
            lease = await cache.lookup(key("k"), at_least=Position(11))
            assert isinstance(lease, CacheLease)
            assert await cache.lookup(key("k")) == answer("old", 10)
            assert await cache.fill(lease, answer("new", 11), seconds=LONG)
            assert await cache.lookup(key("k"), at_least=Position(11)) == answer("new", 11)

    async def test_an_answer_ends(self, new_cache: NewCache) -> None:
        """An answer expires after its time to live. Other answers keep their own time to live."""
        async with new_cache() as cache:
            await keep(cache, answer("short"), seconds=0.05)
            await keep(cache, answer("long"), "k2")

            async def is_gone() -> bool:
                return isinstance(await cache.lookup(key("k")), CacheLease)

            await until(is_gone)
            assert await cache.lookup(key("k2")) == answer("long")
            await keep(cache, answer("older is welcome now", 0))

    async def test_concurrent_fills_and_invalidations(self, new_cache: NewCache) -> None:
        """After concurrent fills and invalidations, a stored answer was loaded after the last invalidation."""
        async with new_cache() as cache:
            truth, changing = 0, True

            async def load(pause: int) -> None:
                while changing:
                    found = await cache.lookup(key("k"))
                    loaded = truth
                    for _ in range(1 + pause):
                        await anyio.lowlevel.checkpoint()
                    if isinstance(found, CacheLease):
                        await cache.fill(found, answer(str(loaded)), seconds=LONG)

            async def change() -> None:
                nonlocal truth, changing
                for number in range(60):
                    truth += 1
                    await cache.invalidate([key("k")])
                    for _ in range(number % 4):
                        await anyio.lowlevel.checkpoint()
                changing = False

            async with anyio.create_task_group() as tasks:
                for pause in range(5):
                    tasks.start_soon(load, pause)
                tasks.start_soon(change)
            found = await cache.lookup(key("k"))
            assert isinstance(found, CacheLease) or found == answer(str(truth))
