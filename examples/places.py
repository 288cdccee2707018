"""Open stores and brokers by URL, for all examples. `?prefix=demo` separates applications that share a server.

Each driver is imported where it is used, so that only the drivers in use must be installed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit, urlunsplit

from sqlalchemy.ext.asyncio import create_async_engine

from twofold.ports import CacheStore, Notifier, ReadStore, Transport
from twofold_sqlalchemy import SqlAlchemy


@asynccontextmanager
async def database(url: str) -> AsyncIterator[SqlAlchemy]:
    """Open a database."""
    engine = create_async_engine(url)
    try:
        yield SqlAlchemy(engine)
    finally:
        await engine.dispose()


class Reading(NamedTuple):
    """A store of read models. Redis also provides a cache and notifications between processes."""

    store: ReadStore | None = None
    cache: CacheStore | None = None
    notifier: Notifier | None = None


@asynccontextmanager
async def reading(url: str | None) -> AsyncIterator[Reading]:
    """Open Redis or a database. Without a URL, the read models are in the database of the orders."""
    if url is None:
        yield Reading()
    elif url.startswith("redis"):
        from redis.asyncio import Redis as RedisClient

        from twofold_redis import Redis

        plain, prefix = split_prefix(url)
        async with RedisClient.from_url(plain) as client:
            redis = Redis(client, prefix=prefix)
            yield Reading(redis, redis.cache(), redis.notifier())
    else:
        async with database(url) as store:
            yield Reading(store)


@asynccontextmanager
async def transport(url: str) -> AsyncIterator[Transport]:
    """Open RabbitMQ, or Redis Streams."""
    plain, prefix = split_prefix(url)
    if url.startswith("redis"):
        from redis.asyncio import Redis as RedisClient

        from twofold_redis import RedisStreams

        async with RedisClient.from_url(plain) as client:
            yield RedisStreams(client, prefix=prefix)
    else:
        from twofold_rabbitmq import RabbitMQ

        yield RabbitMQ(plain, prefix=prefix)


def split_prefix(url: str) -> tuple[str, str]:
    """Split the prefix from a URL."""
    parts = urlsplit(url)
    (prefix,) = parse_qs(parts.query).get("prefix", ["twofold"])
    return urlunsplit(parts._replace(query="")), prefix
