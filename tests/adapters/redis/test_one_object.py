"""One object, made of one client, serves for all that Redis does for an application."""

from __future__ import annotations

import anyio
import pytest
from redis.asyncio import Redis as Client
from redis.asyncio.cluster import RedisCluster

from tests.transport.shops import GetParcel, Sell, Sold, depot, shop
from twofold import Application
from twofold.errors import ConfigurationError
from twofold_memory import InMemory
from twofold_redis import Redis


async def test_read_models_cache_transport_and_hints(client: Client, store: Redis, prefix: str) -> None:
    """Two applications of which one sells and one ships find each other, and each its own, under two prefixes."""
    broker = store.streams(partitions=2)
    selling = Application("shop", write=InMemory(), transport=broker, hints=store.hints())
    selling.include(shop)
    selling.relay(Sold)
    shipping = Application(
        "depot", write=InMemory(), read=store, cache=store.cache(), transport=broker, hints=store.hints()
    )
    shipping.include(depot)
    shipping.consume(Sold, source="shop")
    with anyio.fail_after(20):
        async with shipping, selling, selling.session() as session:
            await session.dispatch(Sell(order_id="a", number=3))
            parcel = await shipping.execute(GetParcel(order_id="a"), after=session.token)
    assert parcel is not None
    assert parcel.numbers == (1, 2, 3)
    assert await client.exists(f"{{{prefix}}}:segments:parcels", f"{{{prefix}}}:partitions") == 2


async def test_streams_need_one_server() -> None:
    """A cluster is refused where it is said, with what to do instead."""
    cluster = RedisCluster(host="127.0.0.1", port=1)
    with pytest.raises(ConfigurationError, match=r"Use a redis.asyncio.Redis, or RabbitMQ"):
        Redis(cluster).streams()
