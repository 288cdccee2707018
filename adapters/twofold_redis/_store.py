"""The read store."""

from __future__ import annotations

from collections.abc import Sequence

from twofold import View
from twofold.errors import ConfigurationError

from ._cache.cache import RedisCache
from ._notifier import RedisNotifier
from ._rows.layout import check_memory, index_rows, read_layouts
from ._server.keys import Keys
from ._server.server import AnyClient, Server, checked
from ._streams.transport import RedisStreams
from ._subscriptions.parked_reader import RedisParkedReader
from ._subscriptions.subscription_store import RedisSubscriptions
from ._transaction import RedisTransaction


class Redis:
    """Keep read models and the checkpoints of the projections that fill them in Redis.

        client = redis.asyncio.Redis.from_url("redis://localhost")
        app = Application("orders", write=SqlAlchemy(engine), read=Redis(client))

    The rows of a batch and its checkpoint are written by one script, all or nothing. A Redis that has lost its last seconds,
    or everything, has lost rows and checkpoints alike: the projections read forward again from where it stands.

    One object serves for whatever else Redis is to do for the application:

        redis = Redis(client)
        app = Application("orders", write=..., read=redis, cache=redis.cache(), transport=redis.streams())

    Args:
        client: the client, on asyncio, of a server or a cluster; the user closes it.
        prefix: what all keys begin with, in braces: the hash tag that keeps a store in one slot of a cluster. Stores with
            different prefixes do not meet.

    Raises:
        ConfigurationError: the client is none on asyncio, or the prefix is empty or has a brace in it.
    """

    def __init__(self, client: AnyClient, *, prefix: str = "twofold") -> None:
        if not prefix or "{" in prefix or "}" in prefix:
            raise ConfigurationError(
                f"cannot begin keys with {prefix!r}. Use a prefix without braces, of one letter or more."
            )
        self._server = Server(checked(client, "Redis store"))
        self._keys = Keys(prefix)
        self.subscriptions = RedisSubscriptions(self._server, self._keys)
        self.parked = RedisParkedReader(self._server, self._keys)
        self._client = client
        self._prefix = prefix

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
        """Check that Redis forgets nothing by itself, and that the stored rows have the indexes of these views.

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
        """Do nothing: keys come into being with their first row."""

    async def close(self) -> None:
        """Do nothing: the client is the user's."""

    async def begin(self, *, read_only: bool = False) -> RedisTransaction:
        """Begin a transaction. Nothing is sent, and no connection is held between two calls.

        Args:
            read_only: refuse every write. Each read is one state of Redis; two of them may differ.
        """
        return RedisTransaction(self._server, self._keys, read_only=read_only)
