"""Redis Streams as a transport."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
from redis.asyncio.cluster import RedisCluster

from twofold.errors import ConfigurationError, StorageError, TransientFailure
from twofold.ports import Feed, ParkedDelivery, log_dropped, logger_of

from .._server.keys import StreamKeys, checked_prefix
from .._server.server import AnyClient, Argument, Call, Server, checked
from . import scripts
from .consumer import StreamConsumer
from .leases import PartitionLeases
from .parking import Parking
from .publisher import StreamPublisher

logger = logger_of("twofold.redis")


_BATCH = 500
"""The number of entries that one call counts."""


class RedisStreams:
    """Carry messages between processes through Redis Streams, on asyncio. Redis 6.2 or later.

        client = redis.asyncio.Redis.from_url("redis://localhost:6379")
        app = Application("orders", write=..., transport=RedisStreams(client))

    Each partition is a stream, for all consumers alike; `Feed.partitions` has no effect. A consumer is a group of that
    name on each stream, and a process receives a stream while it has its lease. Entries stay until every group has
    settled them. Confirmed messages are as durable as the settings of Redis make them; see `appendfsync`.

    Args:
        client: a client. The caller that created it closes it.
        prefix: the prefix of every key.
        partitions: the number of streams. The first process that uses the prefix fixes it.
        idle: how long a process may be silent before other processes take over its streams, in seconds.
        timeout: the timeout of a call, in seconds. The outcome of messages that were sent is unknown then.
        window: the largest number of unsettled messages of a consumer.
    """

    def __init__(
        self,
        client: AnyClient,
        *,
        prefix: str = "twofold",
        partitions: int = 8,
        idle: float = 5.0,
        timeout: float = 5.0,
        window: int = 1_000,
    ) -> None:
        if isinstance(client, RedisCluster):
            raise ConfigurationError(
                "RedisStreams cannot use a RedisCluster: a process waits for several streams in one call, and they are on "
                "several servers. Use a redis.asyncio.Redis, or RabbitMQ."
            )
        checked_prefix(prefix, "RedisStreams")
        if partitions < 1 or window < 1 or idle <= 0 or timeout <= 0:
            raise ConfigurationError(
                f"RedisStreams(partitions={partitions!r}, window={window!r}, idle={idle!r}, timeout={timeout!r}): "
                "partitions and window must be at least 1, idle and timeout must be positive."
            )
        self._server = Server(checked(client, "RedisStreams"), seconds=timeout)
        self._keys = StreamKeys(prefix)
        self._prefix = prefix
        self._partitions = partitions
        self._idle = idle
        self._window = window
        self._publisher = StreamPublisher(self._server, self._keys, partitions)

    async def open(self) -> None:
        """Check that Redis answers, and that the prefix has this number of streams.

        Raises:
            TransientFailure: Redis does not answer.
            ConfigurationError: the prefix has another number of streams.
        """
        key, attempt = self._keys.shared("partitions"), "open the streams"
        await self._server.command(attempt, "SET", key, self._partitions, "NX")
        found = int(await self._server.command(attempt, "GET", key) or 0)
        if found != self._partitions:
            raise ConfigurationError(
                f"cannot open the streams of {self._prefix!r} with {self._partitions} partitions: there are {found}, and "
                f"keys would move to other streams. Use partitions={found}, or another prefix."
            )

    async def close(self) -> None:
        """Do nothing. The caller that created the client closes it."""

    @property
    def system(self) -> str:
        return "redis"

    @property
    def publisher(self) -> StreamPublisher:
        """The publisher."""
        return self._publisher

    def partitions(self, feed: Feed) -> int:
        """Return the number of streams, which does not depend on the feed."""
        return self._partitions

    async def declare(self, feed: Feed) -> None:
        """Create the consumer's group on every stream, and store its topics.

        While other processes receive for the consumer, their topics stay, because they may run another release. A group
        that was lost is created again and reads its stream from the beginning.
        """
        await self._declare(feed, known=False)

    @asynccontextmanager
    async def consume(self, feed: Feed) -> AsyncIterator[StreamConsumer]:
        """Receive this process's share of the streams, while their leases last."""
        await self.open()
        await self._declare(feed, known=False)
        leases = PartitionLeases(self._server, self._keys, feed.consumer, self._partitions, self._idle)
        background = asyncio.create_task(leases.run(), name=f"twofold leases of {feed.consumer}")
        background.add_done_callback(lambda _: leases.changed.set())

        async def again() -> None:
            await self.open()
            await self._declare(feed, known=True)

        try:
            yield StreamConsumer(self._server, self._keys, feed.consumer, leases, background, again, self._window)
        finally:
            with anyio.CancelScope(shield=True):
                background.cancel()
                await asyncio.wait({background})
                if not background.cancelled() and (ended := background.exception()) is not None:
                    logger.error("the leases of %s are no longer renewed", feed.consumer, exc_info=ended)
                try:
                    await leases.release()
                except (TransientFailure, StorageError) as error:
                    logger.info("the leases of %s are not released and expire: %s", feed.consumer, error)

    async def parked(self, consumer: str) -> Sequence[ParkedDelivery]:
        """Return the parked messages of a consumer, the oldest first."""
        return await Parking(self._server, self._keys, consumer, self._partitions).listed()

    async def parked_count(self, consumer: str) -> int:
        """Return the number of parked messages of a consumer: the lengths of its streams."""
        return await Parking(self._server, self._keys, consumer, self._partitions).count()

    async def unpark(self, consumer: str, ids: Sequence[str], *, again: bool) -> int:
        """Move parked messages to the end of their streams, for this consumer only, or delete them."""
        found = await Parking(self._server, self._keys, consumer, self._partitions).unpark(ids, again=again)
        if not again:
            log_dropped(consumer, ids, found)
        return found

    async def waiting(self, feed: Feed) -> int:
        """Return the number of unsettled messages: pending ones, and those that follow."""
        total, left = 0, dict.fromkeys(range(self._partitions), "")
        while left:
            calls = [
                Call(
                    scripts.WAITING,
                    [self._keys.of(number, "stream"), self._keys.of(number, "feeds")],
                    [feed.consumer, after, _BATCH],
                )
                for number, after in left.items()
            ]
            answers = await self._server.each(calls, f"count the messages of {feed.consumer}")
            total += sum(count for count, _ in answers)
            left = {number: last.decode() for number, (_, last) in zip(left, answers, strict=True) if last}
        return total

    async def delete_consumer(self, consumer: str) -> bool:
        """Delete a consumer with its unsettled and parked messages. Return whether it existed.

        A consumer's messages are stored until then, even if no process runs. With the last consumer all messages are
        deleted.

        Raises:
            ConfigurationError: a process receives for the consumer.
        """
        present = await self._attending(consumer, f"delete {consumer}")
        if present:
            raise ConfigurationError(
                f"cannot delete {consumer}: {present} process(es) receive for it, or did within the last {self._idle:g} s. "
                "Stop them first."
            )
        key = self._keys.of
        calls = [
            Call(
                scripts.FORGET,
                [key(number, *name) for name in (("stream",), ("feeds",), ("topics",))]
                + [key(number, "lease", consumer), key(number, "parked", consumer)],
                [consumer],
            )
            for number in range(self._partitions)
        ]
        had = await self._server.each(calls, f"delete {consumer}")
        await self._server.command(f"delete {consumer}", "UNLINK", self._keys.shared("members", consumer))
        return any(had)

    async def _attending(self, consumer: str, attempt: str) -> int:
        """Return the number of processes that receive for a consumer."""
        members = [self._keys.shared("members", consumer)]
        return int(await self._server.run(scripts.ATTEND, members, ["", 0], attempt))

    async def _declare(self, feed: Feed, *, known: bool) -> None:
        others = await self._attending(feed.consumer, f"declare {feed.consumer}")
        start = "0" if feed.start == "beginning" else "$"
        args: list[Argument] = [feed.consumer, " ".join(feed.topics), start, int(bool(others)), int(known)]
        calls = [
            Call(scripts.DECLARE, [self._keys.of(number, name) for name in ("stream", "feeds", "topics")], args)
            for number in range(self._partitions)
        ]
        for number, became in enumerate(await self._server.each(calls, f"declare {feed.consumer}")):
            if became == scripts.LOST:
                logger.warning(
                    "the group of %s on stream %d of %s was lost, and unsettled messages may be lost too. The group is "
                    "created again and reads from the beginning of the stream; the inbox recognises duplicates.",
                    *(feed.consumer, number, self._prefix),
                )
