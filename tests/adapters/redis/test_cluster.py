"""On a cluster all keys of a store are in one slot, so that its scripts may touch any of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest
from redis.asyncio import Redis as Client
from redis.asyncio.cluster import RedisCluster

from tests.servers.process import PrivateServer
from tests.servers.redis import Redis as Kind
from twofold import Application
from twofold.ports import CacheStore
from twofold.testing.conformance import CacheSuite
from twofold.testing.conformance._domain.audit import Audit, DepositEach, GetAudit, auditing
from twofold.testing.conformance._domain.bank import Open, bank
from twofold.testing.conformance._tools.in_time import in_time
from twofold_memory import InMemory
from twofold_redis import Redis, RedisCache


@pytest.fixture
def server() -> PrivateServer:
    """A cluster of one server."""
    if not Kind().installed():
        pytest.skip("no private server: redis-server is not installed")
    return Kind().private("--cluster-enabled", "yes", "--cluster-require-full-coverage", "no")


@asynccontextmanager
async def clustered(server: PrivateServer) -> AsyncIterator[tuple[RedisCluster, Client]]:
    """Let the server hold every slot; give a client of the cluster, and one of the server itself."""
    try:
        async with Client.from_url(server.url) as node:
            ask: Any = node.execute_command
            await ask("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            with in_time():
                while b"cluster_state:ok" not in await ask("CLUSTER", "INFO", NEVER_DECODE=[]):  # noqa: ASYNC110 -- the server decides it
                    await anyio.sleep(0.05)
            where = urlsplit(server.url)
            async with RedisCluster(host=str(where.hostname), port=int(where.port or 0)) as client:
                yield client, node
    finally:
        server.remove()


async def test_an_application_reads_from_a_cluster(server: PrivateServer) -> None:
    """Projections run, fail, are rebuilt and read; every key is in the slot of the store's hash tag."""
    async with clustered(server) as (client, node):
        await _worked(client)
        ask: Any = node.execute_command
        slots = {await ask("CLUSTER", "KEYSLOT", key) for key in await node.keys()}
        assert len(slots) == 1


async def test_a_cluster_is_a_cache(server: PrivateServer) -> None:
    """A cluster stores, expires and deletes answers, whose keys are spread over all slots."""
    async with clustered(server) as (client, _):
        caches = count()

        @asynccontextmanager
        async def new_cache() -> AsyncIterator[CacheStore]:
            yield RedisCache(client, prefix=f"cache{next(caches)}")

        for case in dir(CacheSuite):
            if case.startswith("test_"):
                await getattr(CacheSuite(), case)(new_cache)


async def _worked(client: RedisCluster) -> None:
    app = Application("bank", write=InMemory(), read=Redis(client))
    for module in (bank, auditing(fail_on=["bad"], partitions=2)):
        app.include(module)
    async with app:
        for account in ("a", "bad"):
            await app.dispatch(Open(account_id=account))
            await app.dispatch(DepositEach(account_id=account, amounts=(1, 2)))
        await app.settle()
        assert await app.execute(GetAudit(account_id="a")) == Audit(account_id="a", seen=("opened", "1", "2"))
        assert len(await app.operations.parked("audit")) == 2
        await app.operations.rebuild("audit")
        assert await app.execute(GetAudit(account_id="a")) == Audit(account_id="a", seen=("opened", "1", "2"))
