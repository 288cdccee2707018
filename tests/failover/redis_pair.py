"""A Redis with a replica that may have a lag, and the promotion of the replica."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from redis import Redis as Client

from tests.servers.process import PrivateServer
from tests.servers.redis import Redis
from tests.servers.waiting import wait_until

_POLL = 100
"""Milliseconds for which one WAIT waits. The client gives up an answer that takes longer than its timeout of 5 s."""


class RedisPair:
    """Asynchronous replication from the first command."""

    def __init__(self) -> None:
        # By default, a primary waits for further replicas for 5 s before it copies its data to the first one.
        self.primary: PrivateServer = Redis().private("--repl-diskless-sync-delay", "0")
        port = str(urlsplit(self.primary.url).port)
        self.replica: PrivateServer = Redis().private("--replicaof", "127.0.0.1", port)

    def await_replica(self) -> None:
        """Return when the replica has everything that the primary executed."""
        with Client.from_url(self.primary.url) as client:
            client.set("awaited", 1)
            wait_until(lambda: client.wait(1, _POLL) == 1, "the replica was to catch up")

    def cut(self) -> None:
        """End the replication, so that the replica lags. It accepts writes, and no client knows it yet."""
        with Client.from_url(self.replica.url) as client:
            client.replicaof("NO", "ONE")

    def promote(self) -> None:
        """Kill the primary."""
        self.primary.kill()


@contextmanager
def redis_pair() -> Iterator[RedisPair]:
    """Start a pair for the length of a block."""
    pair = RedisPair()
    try:
        yield pair
    finally:
        pair.primary.remove()
        pair.replica.remove()
