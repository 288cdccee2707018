"""The bank of the suites with a cached balance, and a gate for its loads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import anyio

from twofold import Application, Cache, Query, ReadModel, Router, View
from twofold.ports import Cached, CacheKey, CacheLease, CacheStore, Position, ReadStore, WriteStore
from twofold.testing.conformance._domain.bank import Balance, Deposited, Opened
from twofold.testing.conformance._domain.bank import bank as bank_module
from twofold.testing.conformance._tools.in_time import in_time
from twofold_memory import InMemory, InMemoryCache


class GetCached(Query["Balance | None"]):
    account_id: str


class Note(View, name="note", key="account_id"):
    account_id: str


class GetNote(Query["Note | None"]):
    account_id: str


KEY = "balance:{account_id}"
CACHED = Cache(ttl=60, key=KEY, invalidated_by={Opened: KEY, Deposited: KEY})


class Loads:
    """Counts loads, and lets a test hold them."""

    def __init__(self) -> None:
        self.count = 0
        self.go = anyio.Event()
        self.go.set()
        self.began = anyio.Event()
        self.error: Exception | None = None

    def hold(self) -> None:
        """Let the next loads wait."""
        self.go, self.began = anyio.Event(), anyio.Event()

    def pass_by(self) -> anyio.Event:
        """Let later loads pass while the current ones wait; return a function that releases the current ones."""
        held, self.go = self.go, anyio.Event()
        self.go.set()
        return held

    async def load(self) -> None:
        """Be called by each load."""
        self.count += 1
        self.began.set()
        await self.go.wait()
        if self.error is not None:
            raise self.error


def reading(loads: Loads, cached: Cache = CACHED) -> Router:
    """Return the query for a balance, which waits at the gate after it has read its row."""
    router = Router("cached")

    @router.query_handler(GetCached, cache=cached)
    async def get_cached(query: GetCached, balances: ReadModel[Balance]) -> Balance | None:
        found = await balances.get(query.account_id)
        await loads.load()
        return found

    return router


class Held(InMemoryCache):
    """A cache whose lookups wait."""

    def __init__(self) -> None:
        super().__init__()
        self.go = anyio.Event()

    async def lookup(
        self, key: CacheKey, tenant: str | None = None, *, at_least: Position | None = None
    ) -> Cached | CacheLease:
        await self.go.wait()
        return await super().lookup(key, tenant, at_least=at_least)


@asynccontextmanager
async def bank(
    cache: CacheStore | None,
    loads: Loads | None = None,
    *more: Router,
    write: WriteStore | None = None,
    read: ReadStore | None = None,
    cached: Cache = CACHED,
) -> AsyncIterator[Application]:
    """Run the bank with a cached balance."""
    app = Application("bank", write=write or InMemory(), read=read, cache=cache)
    for each in (bank_module, reading(loads or Loads(), cached), *more):
        app.include(each)
    with in_time():
        async with app:
            yield app


def balance(amount: int, *, of: str = "a") -> Balance:
    """Return the row of an account."""
    return Balance(account_id=of, balance=Decimal(amount))
