"""Redis Streams as a transport."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
from redis.asyncio.cluster import RedisCluster

from twofold.errors import ConfigurationError, StorageError, TransientFailure
from twofold.ports import Feed, ParkedDelivery

from .._server.keys import StreamKeys
from .._server.server import AnyClient, Argument, Call, Server, checked
from . import scripts
from .consumer import StreamConsumer
from .holding import Holding
from .partition import message
from .publisher import StreamPublisher

logger = logging.getLogger("twofold.redis")

_PREFIX = re.compile(r"[A-Za-z0-9_.:-]{1,100}")

_PAGE = 500
"""How many entries are counted in one step."""


class RedisStreams:
    """Carry messages between processes through Redis Streams, on asyncio. Redis 6.2 or later.

        client = redis.asyncio.Redis.from_url("redis://localhost:6379")
        app = Application("orders", write=..., transport=RedisStreams(client))

    Messages are divided among so many streams by their keys, for all consumers alike: `Feed.partitions` does not matter
    here. A consumer is a group of that name on each stream, and a process receives a stream while it holds its lease.
    Entries are kept until every group has dealt with them. What Redis has confirmed is as durable as its own settings make
    it: see `appendfsync`.

    Args:
        client: a client; whoever made it closes it.
        prefix: begins the name of every key.
        partitions: how many streams there are; fixed by the first who uses the prefix.
        idle: how long a process may be silent until others take over its streams, in seconds.
        timeout: how long Redis may take to answer, in seconds; what was published is unknown then.
        window: how many messages a consumer has open at most.
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
                "cannot carry messages over a RedisCluster: a process waits for several streams in one call, and they are "
                "on several servers. Use a redis.asyncio.Redis, or RabbitMQ."
            )
        if not _PREFIX.fullmatch(prefix):
            raise ConfigurationError(
                f"cannot use the prefix {prefix!r} in Redis. Use 1 to 100 letters, digits, '_', '-', '.' and ':'."
            )
        if partitions < 1 or window < 1 or idle <= 0 or timeout <= 0:
            raise ConfigurationError("partitions and window of RedisStreams are at least 1, idle and timeout above 0.")
        self._server = Server(checked(client, "RedisStreams"), seconds=timeout)
        self._keys = StreamKeys(prefix)
        self._prefix = prefix
        self._parts = partitions
        self._idle = idle
        self._window = window
        self._publisher = StreamPublisher(self._server, self._keys, partitions)

    async def open(self) -> None:
        """See that Redis answers, and that the prefix has this number of streams.

        Raises:
            TransientFailure: Redis is away.
            ConfigurationError: the prefix has another number of streams.
        """
        key, attempt = self._keys.shared("partitions"), "open the streams"
        await self._server.command(attempt, "SET", key, self._parts, "NX")
        found = int(await self._server.command(attempt, "GET", key) or 0)
        if found != self._parts:
            raise ConfigurationError(
                f"cannot open the streams of {self._prefix!r} with {self._parts} partitions: there are {found}, "
                f"and keys would change their streams. Use partitions={found}, or another prefix."
            )

    async def close(self) -> None:
        """Do nothing: the client belongs to whoever made it."""

    @property
    def publisher(self) -> StreamPublisher:
        """What publishes."""
        return self._publisher

    def parts(self, feed: Feed) -> int:
        """Return the number of streams, whatever the feed wants."""
        return self._parts

    async def declare(self, feed: Feed) -> None:
        """Create the consumer's group on every stream, and note its topics.

        While other processes receive for the consumer, the topics that they asked for are kept: they may be of another
        release. A group that was there and is gone is made anew, and reads its stream from the beginning.
        """
        await self._declare(feed, known=False)

    @asynccontextmanager
    async def consume(self, feed: Feed) -> AsyncIterator[StreamConsumer]:
        """Receive the streams that are this process's share, while their leases last."""
        await self.open()
        await self._declare(feed, known=False)
        holding = Holding(self._server, self._keys, feed.consumer, self._parts, self._idle)
        background = asyncio.create_task(holding.run(), name=f"twofold leases of {feed.consumer}")
        background.add_done_callback(lambda _: holding.changed.set())

        async def again() -> None:
            await self.open()
            await self._declare(feed, known=True)

        try:
            yield StreamConsumer(self._server, self._keys, feed.consumer, holding, background, again, self._window)
        finally:
            with anyio.CancelScope(shield=True):
                background.cancel()
                await asyncio.wait({background})
                if not background.cancelled() and (ended := background.exception()) is not None:
                    logger.error("the leases of %s were not renewed any more", feed.consumer, exc_info=ended)
                try:
                    await holding.leave()
                except (TransientFailure, StorageError) as error:
                    logger.info("%s leaves, and its leases end by themselves: %s", feed.consumer, error)

    async def parked(self, consumer: str) -> Sequence[ParkedDelivery]:
        """Return what a consumer has set aside, oldest first."""
        calls = [Call(scripts.PARKED, [self._keys.of(part, "parked", consumer)]) for part in range(self._parts)]
        found = [each for some in await self._server.each(calls, f"look at what {consumer} parked") for each in some]
        return [
            ParkedDelivery(message(*sent), reason.decode())
            for _, *sent, reason in sorted(found, key=lambda each: bytes(each[0]))
        ]

    async def unpark(self, consumer: str, ids: Sequence[str], *, again: bool) -> int:
        """Take parked messages out: to the end of their streams, for this consumer alone, or to be dropped."""
        key = self._keys.of
        args: list[Argument] = [consumer, int(again), *ids]
        calls = [
            Call(scripts.UNPARK, [key(part, "stream"), key(part, "parked", consumer)], args)
            for part in range(self._parts)
        ]
        return sum(await self._server.each(calls, f"unpark messages of {consumer}")) if ids else 0

    async def waiting(self, feed: Feed) -> int:
        """Return how many messages are not settled: what is pending, and what is counted behind that."""
        total, left = 0, dict.fromkeys(range(self._parts), "")
        while left:
            calls = [
                Call(
                    scripts.WAITING,
                    [self._keys.of(part, "stream"), self._keys.of(part, "feeds")],
                    [feed.consumer, after, _PAGE],
                )
                for part, after in left.items()
            ]
            answers = await self._server.each(calls, f"count what waits for {feed.consumer}")
            total += sum(number for number, _ in answers)
            left = {part: last.decode() for part, (_, last) in zip(left, answers, strict=True) if last}
        return total

    async def forget(self, consumer: str) -> bool:
        """Remove a consumer for good, with what waits for it and what it has parked; return whether there was one.

        Until then everything is kept for it, also when no process runs any more. With the last consumer all messages go.

        Raises:
            ConfigurationError: a process receives for it.
        """
        present = await self._attending(consumer, f"forget {consumer}")
        if present:
            raise ConfigurationError(
                f"cannot forget {consumer}: {present} process(es) receive for it, or did {self._idle:g} s ago. Stop them "
                "first."
            )
        key = self._keys.of
        calls = [
            Call(
                scripts.FORGET,
                [key(part, *name) for name in (("stream",), ("feeds",), ("topics",))]
                + [key(part, "lease", consumer), key(part, "parked", consumer)],
                [consumer],
            )
            for part in range(self._parts)
        ]
        had = await self._server.each(calls, f"forget {consumer}")
        await self._server.command(f"forget {consumer}", "UNLINK", self._keys.shared("members", consumer))
        return any(had)

    async def _attending(self, consumer: str, attempt: str) -> int:
        """Return how many processes receive for a consumer."""
        members = [self._keys.shared("members", consumer)]
        return int(await self._server.run(scripts.ATTEND, members, ["", 0], attempt))

    async def _declare(self, feed: Feed, *, known: bool) -> None:
        others = await self._attending(feed.consumer, f"declare {feed.consumer}")
        start = "0" if feed.start == "beginning" else "$"
        args: list[Argument] = [feed.consumer, " ".join(feed.topics), start, int(bool(others)), int(known)]
        calls = [
            Call(scripts.DECLARE, [self._keys.of(part, name) for name in ("stream", "feeds", "topics")], args)
            for part in range(self._parts)
        ]
        for part, became in enumerate(await self._server.each(calls, f"declare {feed.consumer}")):
            if became == scripts.LOST:
                logger.warning(
                    "the group of %s on stream %d of %s was lost, and what it had not settled may be lost as well. It is "
                    "made anew and reads from the beginning of the stream; receivers recognise what they had.",
                    *(feed.consumer, part, self._prefix),
                )
