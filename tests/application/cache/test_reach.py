"""The position of an answer, and answers that are not cached because they may be incomplete or never be invalidated."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from tests.domains.cached_bank import CACHED, GetCached, balance, bank
from twofold._caching.cached_query import CachedQuery
from twofold._caching.reach import NOWHERE, Reach, reach_of
from twofold._registration.entries import QueryEntry
from twofold._registration.places import Place
from twofold._wiring.caches import cached_queries
from twofold.errors import TransientFailure
from twofold.ports import Checkpoint, Position
from twofold.testing.conformance._domain.bank import Open
from twofold.testing.conformance._tools.hooked import Call, Hooked
from twofold_memory import InMemory, InMemoryCache

pytestmark = pytest.mark.parametrize("kind", ["memory-asyncio"])

QUERY = CachedQuery(GetCached, CACHED, ("balances", "notes"), "shape", "twofold.cache.1")


async def passed(store: InMemory, subscription: str, position: int, *, log: str = "", parked: int = 0) -> None:
    """Let a subscription have passed a position."""
    transaction = await store.begin()
    place = Checkpoint(Position(position), log or await store.log.identity(), parked)
    await transaction.checkpoints.advance(
        subscription, expected=await store.subscriptions.checkpoint(subscription), to=place
    )
    await transaction.commit()


async def test_the_reach_is_the_lowest_checkpoint(kind: str) -> None:
    """The position of an answer is the lowest of its projections. It is complete if none of them has parked events."""
    store = InMemory()
    for name, position in (("twofold.cache.1", 2), ("balances", 3), ("notes", 2)):
        await passed(store, name, position)
    assert await reach_of(QUERY, store, store) == Reach(Position(2), whole=True)
    await passed(store, "balances", 3, parked=1)
    assert await reach_of(QUERY, store, store) == Reach(Position(2), whole=False)


async def test_rows_from_another_log_reach_nowhere(kind: str) -> None:
    """Positions of other logs are ignored."""
    store = InMemory()
    await passed(store, "balances", 3)
    await passed(store, "notes", 3, log="another")
    assert await reach_of(replace(QUERY, subscription=""), store, store) == NOWHERE


async def test_nothing_is_kept_that_would_not_be_ended(kind: str) -> None:
    """While the subscription that ends answers does not exist, or has set an event aside."""
    store = InMemory()
    for name in ("balances", "notes"):
        await passed(store, name, 3)
    assert await reach_of(QUERY, store, store) == Reach(Position(3), whole=False)
    await passed(store, "twofold.cache.1", 3)
    assert await reach_of(QUERY, store, store) == Reach(Position(3), whole=True)
    await passed(store, "twofold.cache.1", 3, parked=1)
    assert await reach_of(QUERY, store, store) == Reach(Position(3), whole=False)


async def test_a_query_of_another_projection_has_another_subscription(kind: str) -> None:
    """A release whose query reads one more projection does not use the cached answers of the previous release."""
    entry = QueryEntry(handler=None, label="handler", place=Place("file", 1), message=GetCached, cache=CACHED)
    found = [
        cached_queries([entry], {GetCached: reads}, {GetCached: ()})[0] for reads in (["a"], ["a", "b"], ["b", "a"])
    ]
    assert len({each.subscription for each in found}) == 2


@pytest.mark.parametrize("question", ["subscriptions.checkpoint", "log.identity"])
async def test_a_store_that_does_not_say_how_far_it_is_fails_no_query(kind: str, question: str) -> None:
    """If a store does not return its position, the query is answered from its rows, and the answer is not cached."""
    away: list[str] = []

    async def answer(call: Call) -> Any:
        if away:
            raise TransientFailure("on purpose")
        return await call()

    async with bank(InMemoryCache(), write=cast(InMemory, Hooked(InMemory(), question, answer))) as app:
        await app.dispatch(Open(account_id="a"))
        await app.settle()
        away.append(question)
        assert await app.execute(GetCached(account_id="a")) == balance(0)
        away.clear()
        assert app.operations.cache_stats().failures >= 1
        assert app.operations.cache_stats().fills == 0
