"""The Redis Streams of the lab, and their failover to a replica that was behind."""

from __future__ import annotations

import json
from collections.abc import Mapping

import anyio
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from tests.alerts.shop import Placed
from tests.servers.process import PrivateServer
from tests.servers.waiting import wait_until
from twofold import Application
from twofold_memory import InMemory
from twofold_redis import RedisStreams

Copy = Mapping[bytes, bytes]
"""The keys of the streams with their values."""


class Streams:
    """The streams of a server, which an application named "depot" consumes.

    Args:
        server: the server.
    """

    def __init__(self, server: PrivateServer) -> None:
        self._server = server

    def declare(self) -> None:
        """Let the depot consume the orders of the lab once, so that the streams have a receiver."""

        async def run() -> None:
            async with AsyncRedis.from_url(self._server.url) as client:
                depot = Application("depot", write=InMemory(), transport=RedisStreams(client))
                depot.consume(Placed, source="lab")
                async with depot:
                    pass

        anyio.run(run)

    def await_mark(self, position: int) -> None:
        """Return when every stream has the report that the relay has published everything up to a position."""
        wait_until(lambda: self._marks() == {position}, f"the relay was to report position {position}")

    def _marks(self) -> set[int]:
        with self._client() as client:
            found = [client.hget(key, "twofold.progress.lab") for key in client.keys("{twofold:*}:marks")]
        return {int(json.loads(each.partition(b" ")[2])["originposition"]) if each else 0 for each in found}

    def copy(self) -> Copy:
        """Return the data of the streams, as a replica has them."""
        with self._client() as client:
            return {key: client.dump(key) for key in client.keys("{twofold:*")}

    def fail_over(self, replica: Copy) -> None:
        """Replace the data by those of a replica, and the server by another one."""
        with self._client() as client:
            for key, value in replica.items():
                client.restore(key, 0, value, replace=True)
        self._server.stop()
        self._server.start()

    def _client(self) -> Redis:
        return Redis.from_url(self._server.url)
