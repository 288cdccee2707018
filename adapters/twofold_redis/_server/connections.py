"""Wait for a connection of the client's pool. The pool of redis-py raises an error if all of them are in use."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

from redis.asyncio import BlockingConnectionPool
from redis.exceptions import MaxConnectionsError

from twofold.errors import ConfigurationError
from twofold.ports import Backoff, after_fork

from .turns import Turns

T = TypeVar("T")

LONGEST_WAIT: Final = 20.0
"""Seconds that a request waits for a connection, while other users of the client have all of them in use."""


class _Shared:
    """The state that everything shares which uses one pool.

    Attributes:
        turns: as many turns as the pool has connections; None if redis-py waits for connections.
        used: whether the pool may have open connections.
        of_parent: whether these connections belong to the parent process.
    """

    def __init__(self, turns: Turns | None) -> None:
        self.turns = turns
        self.used = self.of_parent = False
        after_fork(self, _Shared._forget)

    def _forget(self) -> None:
        self.of_parent = self.used


_SHARED: Final[WeakKeyDictionary[Any, _Shared]] = WeakKeyDictionary()
"""The state of each pool, or of each client of a cluster."""


class Connections:
    """Lets as many requests run at the same time as the pool has connections. The others wait in order.

    Everything that uses one pool shares the same turns. A pool that waits by itself, and a cluster, are left to redis-py.

    Args:
        client: the client.
    """

    def __init__(self, client: Any) -> None:
        pool = getattr(client, "connection_pool", None)
        turns: Turns | None = None
        if pool is not None and not isinstance(pool, BlockingConnectionPool):
            turns = Turns(pool.max_connections)
        self._client = client
        self._shared = _SHARED.setdefault(client if pool is None else pool, _Shared(turns))

    async def run(self, request: Callable[[], Awaitable[T]]) -> T:
        """Send a request when a connection is free, and return its answer.

        Args:
            request: sends one request. It is called again only if the pool refused a connection, so nothing was sent.

        Raises:
            MaxConnectionsError: other users of the client used all connections for `LONGEST_WAIT`.
            ConfigurationError: the client was used before this process was forked.
        """
        if self._shared.of_parent:
            raise ConfigurationError(
                "cannot use this client of Redis: the parent process used it before the fork, and both would share its "
                "connections. Make the first call after the fork, or call app.sync.close() before it."
            )
        self._shared.used = True
        turns = self._shared.turns
        if turns is None:
            return await request()
        if not turns.take():
            await turns.wait()
        try:
            return await request()
        except MaxConnectionsError:
            return await self._when_free(request)
        finally:
            turns.end()

    async def disconnect(self) -> None:
        """Close the connections that are not in use. The client opens others when it is used again.

        The client of a cluster closes all of its connections.
        """
        if (pool := getattr(self._client, "connection_pool", None)) is None:
            await self._client.aclose()
        else:
            await pool.disconnect(inuse_connections=False)
        self._shared.used = False

    async def _when_free(self, request: Callable[[], Awaitable[T]]) -> T:
        backoff, waited = Backoff(0.005, 0.25), 0.0
        while True:
            pause = backoff.next()
            await asyncio.sleep(pause)
            waited += pause
            try:
                return await request()
            except MaxConnectionsError:
                if waited >= LONGEST_WAIT:
                    raise
