"""The stores that tests run over: in memory on both event loops, and on each database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache

import pytest
from redis.asyncio import Redis as Client
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from twofold import View
from twofold.ports import ReadStore, WriteStore
from twofold.testing.conformance import Beside
from twofold_memory import InMemory
from twofold_redis import Redis
from twofold_sqlalchemy import SqlAlchemy

NewStore = Callable[[Sequence[type[View]]], AbstractAsyncContextManager[WriteStore]]
"""Opens an empty store that is ready for some views."""

DATABASES = ("sqlite", "postgresql", "mariadb")

STORES = ("memory-asyncio", "memory-trio", *DATABASES)

READ_STORES = (*STORES, "redis")
"""The adapters that can be a read store."""

PAIRS = (*STORES, "memory>redis", "sqlite>redis")
"""The stores of an application. The last ones write to one store and read from another."""


ALIKE = ("sqlite>redis",)
"""Pairs of adapters that are tested in other pairs: they run the suites only with `--everywhere`."""


def event_loop_of(kind: str) -> str:
    """Return the event loop that goes with a kind of store."""
    return "trio" if kind == "memory-trio" else "asyncio"


def stores(kind: str, request: pytest.FixtureRequest) -> Callable[[], AbstractAsyncContextManager[WriteStore]]:
    """Return what opens stores of a kind, a new one each time.

    Its database may have Twofold's tables, but they have no rows, and the log no identity: `create_schema` is to be called.
    """
    if kind.startswith("memory"):
        return _in_memory
    server = "mysql" if kind == "mariadb" else kind
    new_url: Callable[[], str] = request.getfixturevalue(f"prepared_{server}_url")
    return lambda: _sql(new_url())


def read_stores(kind: str, request: pytest.FixtureRequest) -> Callable[[], AbstractAsyncContextManager[ReadStore]]:
    """Return what opens read stores of a kind, as `stores` does."""
    if kind != "redis" and not kind.endswith(">redis"):
        return stores(kind, request)
    url: str = request.getfixturevalue("redis_url")
    new_prefix: Callable[[], str] = request.getfixturevalue("new_prefix")
    if kind == "redis":
        return lambda: _redis(url, new_prefix())
    write = stores(kind.removesuffix(">redis"), request)
    return lambda: _beside(write(), _redis(url, new_prefix()))


@asynccontextmanager
async def _in_memory() -> AsyncIterator[WriteStore]:
    yield InMemory()


@cache
def _engine(url: str) -> AsyncEngine:
    """Return the engine of a database that tests use one after another. It keeps the compiled statements of its stores."""
    return create_async_engine(url)


@asynccontextmanager
async def _sql(url: str) -> AsyncIterator[WriteStore]:
    engine = _engine(url)
    try:
        yield SqlAlchemy(engine)
    finally:
        await engine.dispose()


@asynccontextmanager
async def _redis(url: str, prefix: str) -> AsyncIterator[ReadStore]:
    async with Client.from_url(url) as client:
        try:
            yield Redis(client, prefix=prefix)
        finally:
            async for key in client.scan_iter(match=f"{{{prefix}}}*", count=10_000):
                await client.unlink(key)


@asynccontextmanager
async def _beside(
    write: AbstractAsyncContextManager[WriteStore], read: AbstractAsyncContextManager[ReadStore]
) -> AsyncIterator[ReadStore]:
    async with write as written, read as beside:
        yield Beside(written, beside)
