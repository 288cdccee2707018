"""The read store."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from twofold import View
from twofold.errors import ConfigurationError

from ._cache.cache import RedisCache
from ._notifier import RedisNotifier
from ._rows.layout import check_memory, index_rows, read_layouts
from ._server.keys import Keys, checked_prefix
from ._server.lua import SURE
from ._server.scripts import RUN_ID, TIME
from ._server.server import AnyClient, Server, checked
from ._streams.transport import RedisStreams
from ._subscriptions.parked_reader import RedisParkedReader
from ._subscriptions.subscription_store import RedisSubscriptions
from ._transaction import RedisTransaction

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Redis:
    """Store read models in Redis, with the checkpoints of the projections that fill them.

        client = redis.asyncio.Redis.from_url("redis://localhost")
        app = Application("orders", write=SqlAlchemy(engine), read=Redis(client))

    One script writes the rows of a batch together with their checkpoint, all or nothing. If Redis loses data, it loses
    rows and checkpoints alike. The projections then resume from the checkpoint that is left.

    The same object also creates a cache and a transport on its client:

        redis = Redis(client)
        app = Application("orders", write=..., read=redis, cache=redis.cache(), transport=redis.streams())

    Args:
        client: an asyncio client of a server or a cluster. The caller closes it.
        prefix: the prefix of all keys. It is written in braces, as a hash tag that keeps a store in one slot of a
            cluster. Stores with different prefixes are independent.
        answer_timeout: seconds that an answer may take, with the attempts of the client, before `TransientFailure`. The
            connection is closed. A commit ends with `CommitUnknown` after 60 seconds. None: no limit but that of the client.

    Raises:
        ConfigurationError: the client is not an asyncio client, or the prefix or the timeout is not valid.
    """

    def __init__(self, client: AnyClient, *, prefix: str = "twofold", answer_timeout: float | None = 60.0) -> None:
        checked_prefix(prefix, "Redis")
        if answer_timeout is not None and not 0 < answer_timeout < math.inf:
            raise ConfigurationError(
                f"Redis(answer_timeout={answer_timeout}): the timeout must be a positive number of seconds, or None."
            )
        self._server = Server(checked(client, "Redis store"), seconds=answer_timeout)
        self._keys = Keys(prefix)
        self.subscriptions = RedisSubscriptions(self._server, self._keys)
        self.parked = RedisParkedReader(self._server, self._keys)
        self._client = client
        self._prefix = prefix
        self._run = ""
        self._sure_until = 0.0

    def cache(self, *, timeout: float = 0.25) -> RedisCache:
        """Return a cache of queries on the same client, under the same prefix; see `RedisCache`."""
        return RedisCache(self._client, prefix=self._prefix, timeout=timeout)

    def streams(
        self, *, partitions: int = 8, idle: float = 5.0, timeout: float = 5.0, window: int = 1_000
    ) -> RedisStreams:
        """Return a transport on the same client, under the same prefix; see `RedisStreams`."""
        return RedisStreams(
            self._client, prefix=self._prefix, partitions=partitions, idle=idle, timeout=timeout, window=window
        )

    def notifier(self) -> RedisNotifier:
        """Return notifications between processes on the same client, under the same prefix; see `RedisNotifier`."""
        return RedisNotifier(self._client, prefix=self._prefix)

    async def open(self, views: Sequence[type[View]]) -> None:
        """Check that Redis does not evict keys, and that the stored rows have the indexes of these views.

        Raises:
            ConfigurationError: Redis is set to evict any key when its memory is full.
            SchemaMissing: rows were written for other indexes.
        """
        await check_memory(self._server, self._keys)
        await read_layouts(self._server, self._keys, views)

    async def create_schema(self, views: Sequence[type[View]]) -> None:
        """Rebuild the indexes of rows with another layout. Writers with the old layout are refused from then on."""
        for view in views:
            await index_rows(self._server, self._keys, view)

    async def create_shadows(self, views: Sequence[type[View]]) -> None:
        """Do nothing: Redis creates keys with their first row."""

    async def run(self) -> str:
        """Return the run id of the server; see `ReadStore.run`. Redis is asked at most ten times a second."""
        now = asyncio.get_running_loop().time()
        if now >= self._sure_until:
            found = await self._server.run(RUN_ID, [self._keys.number], [], "read the run id")
            self._run, self._sure_until = found.decode(), now + SURE
        return self._run

    async def now(self) -> datetime:
        """Return the time of the server's clock."""
        seconds, micros = await self._server.run(TIME, [self._keys.number], [], "read the clock")
        return _EPOCH + timedelta(seconds=int(seconds), microseconds=int(micros))

    async def close(self) -> None:
        """Do nothing: the caller closes the client."""

    async def disconnect(self) -> None:
        """Close the connections of the client. The client can be used again."""
        await self._server.disconnect()

    async def begin(self, *, read_only: bool = False) -> RedisTransaction:
        """Begin a transaction. It sends nothing, and uses a connection only during its calls.

        Args:
            read_only: refuse every write. Each read sees one state of Redis. Two reads may see different states.
        """
        return RedisTransaction(self._server, self._keys, read_only=read_only)
