"""One `Redis` object on one client provides all adapters of an application."""

from __future__ import annotations

import re
from typing import Any

import pytest
from redis import Redis as SyncClient
from redis.asyncio import Redis as Client
from redis.asyncio.cluster import RedisCluster

from tests.domains.shops import GetParcel, Sell, Sold, depot, shop
from twofold import Application
from twofold.errors import ConfigurationError, TransientFailure
from twofold.testing.conformance._tools.in_time import in_time
from twofold.testing.conformance._tools.problems import problems_of
from twofold_memory import InMemory
from twofold_redis import Redis, RedisCache, RedisNotifier, RedisStreams


async def test_read_models_cache_transport_and_hints(client: Client, store: Redis, prefix: str) -> None:
    """Two applications of which one sells and one ships find each other, and each its own, under two prefixes."""
    broker = store.streams(partitions=2)
    selling = Application("shop", write=InMemory(), transport=broker, notifier=store.notifier())
    selling.include(shop)
    selling.relay(Sold)
    shipping = Application(
        "depot", write=InMemory(), read=store, cache=store.cache(), transport=broker, notifier=store.notifier()
    )
    shipping.include(depot)
    shipping.consume(Sold, source="shop")
    with in_time():
        async with shipping, selling, selling.session() as session:
            await session.dispatch(Sell(order_id="a", number=3))
            parcel = await shipping.execute(GetParcel(order_id="a"), after=session.token)
    assert parcel is not None
    assert parcel.numbers == (1, 2, 3)
    assert await client.exists(f"{{{prefix}}}:partitions:parcels", f"{{{prefix}}}:partitions") == 2


async def test_streams_need_one_server() -> None:
    """A cluster is refused by `streams()`, with an alternative in the error."""
    cluster = RedisCluster(host="127.0.0.1", port=1)
    with pytest.raises(ConfigurationError, match=r"Use a redis.asyncio.Redis, or RabbitMQ"):
        Redis(cluster).streams()


@pytest.mark.parametrize("taker", [Redis, RedisCache, RedisStreams, RedisNotifier])
@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("redis://localhost", "the argument is not a client"),
        (Client, "the argument is not a client"),
        (None, "the argument is not a client"),
        (SyncClient.from_url("redis://localhost"), "the client is not an asyncio client"),
    ],
)
def test_an_argument_that_is_not_a_client(taker: Any, given: Any, text: str) -> None:
    """A URL, a class and a client without asyncio are refused immediately. The error shows how to create a client."""
    with pytest.raises(ConfigurationError, match=rf"{text}\. Use redis.asyncio.Redis.from_url"):
        taker(given)


async def test_a_server_that_is_not_there() -> None:
    """An unreachable Redis fails the start as a store, with advice. As a broker it is reported and awaited."""
    text = r"[sS]tart the server, or correct the address of the client"
    async with Client(port=1) as client:
        with pytest.raises(TransientFailure, match=text):
            await Application("away", write=InMemory(), read=Redis(client)).__aenter__()
        app = Application("away", write=InMemory(), transport=RedisStreams(client))
        app.relay(Sold)
        async with app:
            (problem,) = await problems_of(app)
            assert re.search(text, problem)
