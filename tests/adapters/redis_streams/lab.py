"""A private Redis for tests that restart, pause or empty it, and functions that use its streams."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from redis.asyncio import Redis

from tests.servers.process import PrivateServer
from twofold.ports import Consumer, Feed, Outcome, WireMessage
from twofold.testing.conformance._tools.in_time import CEILING, in_time, until
from twofold_redis import RedisStreams

FEED = Feed(consumer="mail", topics=("shop.placed",))
HANDLED = "handled"

IDLE = 1.0
"""Seconds after which other processes take over the streams of a silent process."""

ROOT = Path(__file__).resolve().parents[3]


def messages(number: int, *, keys: int = 20, start: int = 0) -> list[WireMessage]:
    """Return messages with numbers as ids and `keys` different keys."""
    return [WireMessage(str(n), "shop.placed", f"k{n % keys}", b"{}") for n in range(start, start + number)]


@asynccontextmanager
async def streams(url: str, **options: object) -> AsyncIterator[RedisStreams]:
    """Connect as a process would."""
    async with Redis.from_url(url) as client:
        transport = RedisStreams(client, **{"idle": IDLE, "timeout": CEILING, **options})  # type: ignore[arg-type]
        await transport.open()
        yield transport


def expect_answers_within(transport: RedisStreams, seconds: float) -> None:
    """Change the timeout for answers of Redis."""
    transport._server._seconds = seconds


async def publish(transport: RedisStreams, sent: Sequence[WireMessage]) -> None:
    """Publish until everything is confirmed, as a relay does."""
    left = list(sent)
    with in_time():
        while left:
            outcomes = await transport.publisher.publish(left[:500])
            unconfirmed = [each for each, outcome in zip(left, outcomes, strict=False) if outcome != Outcome.CONFIRMED]
            left = unconfirmed + left[500:]
            if unconfirmed:
                await anyio.sleep(0.05)


class Reader:
    """Receives, records and accepts messages until all expected ones have arrived; recognises redeliveries."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.seen: set[str] = set()

    async def take(self, consumer: Consumer, number: int) -> None:
        """Receive until this number of different messages has arrived in total."""

        async def enough() -> bool:
            if len(self.seen) < number:
                await self._take_some(consumer)
            return len(self.seen) >= number

        await until(enough, lambda: f"{number} messages were to come, not {len(self.seen)}", pause=0)

    async def _take_some(self, consumer: Consumer) -> None:
        deliveries = await consumer.receive()
        for each in deliveries:
            if each.message.id not in self.seen:
                self.seen.add(each.message.id)
                self.found.append(each.message.id)
        try:
            await consumer.accept(deliveries)
        except RuntimeError:  # Redis is away; they come again, or not
            await anyio.sleep(0.05)


def in_order(found: Sequence[str], keys: int = 20) -> bool:
    """Return whether the first deliveries of each key are in order."""
    last: dict[int, int] = {}
    for each in map(int, found):
        if last.get(each % keys, -1) >= each:
            return False
        last[each % keys] = each
    return True


class Worker:
    """A process that handles messages, records each in a list on the server, and accepts it."""

    def __init__(self, server: PrivateServer, *, seconds: float = 0.0) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "worker.py"), server.url, str(seconds)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            start_new_session=True,
        )

    def kill(self) -> None:
        """Kill the process."""
        self.process.kill()
        self.process.wait(CEILING)

    def send(self, signal: int) -> None:
        """Send it a signal."""
        self.process.send_signal(signal)
