"""How far an answer reaches, and when it is not kept, because something in it is missing or nothing would end it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from tests.domains.cached_bank import CACHED, GetCached, balance, bank
from twofold._caching.cached_query import CachedQuery, cached_queries
from twofold._caching.reach import NOWHERE, Reach, reach_of
from twofold._registration.entries import QueryEntry
from twofold._registration.places import Place
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


async def test_it_is_the_lowest_of_what_is_read(kind: str) -> None:
    """And whole, when nothing is set aside in any of them."""
    store = InMemory()
    for name, position in (("twofold.cache.1", 2), ("balances", 3), ("notes", 2)):
        await passed(store, name, position)
    assert await reach_of(QUERY, store, store) == Reach(Position(2), whole=True)
    await passed(store, "balances", 3, parked=1)
    assert await reach_of(QUERY, store, store) == Reach(Position(2), whole=False)


async def test_rows_from_another_log_reach_nowhere(kind: str) -> None:
    """Their positions say nothing here."""
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


async def test_what_reads_another_projection_has_another_subscription(kind: str) -> None:
    """A release whose query reads one more does not read the answers of the one before."""
    entry = QueryEntry(place=Place("file", 1), handler=None, message=GetCached, cache=CACHED)
    names = {cached_queries([entry], {GetCached: reads})[0].subscription for reads in (["a"], ["a", "b"], ["b", "a"])}
    assert len(names) == 2


@pytest.mark.parametrize("question", ["subscriptions.checkpoint", "log.identity"])
async def test_a_store_that_does_not_say_how_far_it_is_fails_no_query(kind: str, question: str) -> None:
    """The rows may be elsewhere: the query is answered from them, and its answer is not kept."""
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
