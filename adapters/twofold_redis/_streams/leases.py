"""The leases of the partitions that this process receives. A task of its own claims, renews and releases them."""

from __future__ import annotations

import asyncio
import math
import random
import secrets
from itertools import count

from twofold.errors import TransientFailure
from twofold.ports import logger_of

from .._server.errors import translated
from .._server.keys import StreamKeys
from .._server.server import Call, Script, Server
from . import scripts
from .partition import Partition

logger = logger_of("twofold.redis")

LONGEST_PAUSE = 0.5
"""The longest delay between two rounds, in seconds."""

_TRIM = 4
"""The number of rounds between two attempts to trim the streams."""


class PartitionLeases:
    """The partitions that one consumer of this process holds.

    Args:
        server: runs the scripts.
        keys: the names of the keys.
        consumer: the name of the consumer.
        partitions: the number of partitions.
        idle: how long a lease lasts, in seconds.
    """

    def __init__(self, server: Server, keys: StreamKeys, consumer: str, partitions: int, idle: float) -> None:
        self.held: dict[int, Partition] = {}
        self.changed = asyncio.Event()
        """Set when there may be new entries to read."""
        self._unavailable: str | None = None
        self._untrimmed: str | None = None
        self._server = server
        self._keys = keys
        self._consumer = consumer
        self._count = partitions
        self._idle = idle
        self._milliseconds = math.ceil(idle * 1000)
        self._member = secrets.token_hex(8)
        self._tokens = count(1)
        self._claimed: dict[int, str] = {}

    @property
    def problem(self) -> str | None:
        """Why leases cannot be renewed or claimed, or streams not trimmed, at the moment."""
        return self._unavailable or self._untrimmed

    async def run(self) -> None:
        """Renew, claim and trim until cancelled."""
        for number in count():
            try:
                await self.round()
                if number % _TRIM == _TRIM - 1:
                    await self._trim()
                self._unavailable = None
            except TransientFailure as error:
                if self._unavailable is None:
                    logger.warning("%s cannot renew its leases and retries: %s", self._consumer, error)
                self._unavailable = str(error)
            await asyncio.sleep(min(self._idle / 5, LONGEST_PAUSE))

    async def round(self) -> None:
        """Register this process, renew its leases, and claim or release partitions up to its share."""
        held = list(self.held.values())
        members = Call(
            scripts.ATTEND, [self._keys.shared("members", self._consumer)], [self._member, self._milliseconds]
        )
        renewals = [self._lease(scripts.RENEW, each, each.token) for each in held]
        present, *renewed = await self._server.each([members, *renewals], f"renew the leases of {self._consumer}")
        for partition, still in zip(held, renewed, strict=True):
            if not still:
                partition.lost()
        self.drop_lost()
        share = math.ceil(self._count / max(int(present), 1))
        await self._drain(share)
        await self._claim(share)

    def drop_lost(self) -> None:
        """Drop the partitions whose lease is lost."""
        for number, partition in list(self.held.items()):
            if not partition.held:
                logger.info("%s no longer holds stream %d", self._consumer, number)
                del self.held[number]

    async def release(self) -> None:
        """Release all leases, so that other processes need not wait for their end."""
        held, self.held = self.held, {}
        for partition in held.values():
            partition.lost()
        tokens = {**self._claimed, **{number: partition.token for number, partition in held.items()}}
        calls = [self._released(number, token) for number, token in tokens.items()]
        members = self._keys.shared("members", self._consumer)
        await self._server.together([*calls, Call(scripts.ATTEND, [members], [self._member, 0])], "release leases")

    async def _drain(self, share: int) -> None:
        """Release the partitions above this process's share, each once every delivery of it is settled."""
        kept = sorted(self.held.values(), key=lambda each: each.draining)
        for index, partition in enumerate(kept):
            partition.draining = index >= share
            if partition.draining and not partition.unsettled:
                del self.held[partition.number]
                partition.lost()
                call = self._released(partition.number, partition.token)
                await self._server.each([call], f"release stream {partition.number}")

    async def _claim(self, share: int) -> None:
        free = [number for number in range(self._count) if number not in self.held]
        random.shuffle(free)  # processes that start at the same time claim different partitions first
        while free and (room := share - len(self.held)) > 0:
            asked, free = free[:room], free[room:]
            for number in asked:
                self._claimed[number] = f"{self._member}-{next(self._tokens)}"
            calls = [
                Call(
                    scripts.CLAIM,
                    [self._keys.of(number, "lease", self._consumer)],
                    [self._claimed[number], self._milliseconds],
                )
                for number in asked
            ]
            for number, claimed in zip(asked, await self._server.each(calls, "claim streams"), strict=True):
                token = self._claimed.pop(number)
                if claimed:
                    self.held[number] = Partition(self._keys, self._consumer, number, token)
                    self.changed.set()

    async def _trim(self) -> None:
        calls = [
            Call(scripts.TRIM, [self._keys.of(number, "stream"), self._keys.of(number, "feeds")])
            for number in self.held
        ]
        answers = await self._server.together(calls, "trim streams") if calls else []
        refused = next((each for each in answers if isinstance(each, Exception)), None)
        untrimmed = None if refused is None else str(translated(refused, "trim streams"))
        if untrimmed is not None and self._untrimmed is None:
            logger.warning("%s does not trim its streams: %s", self._consumer, untrimmed)
        self._untrimmed = untrimmed

    def _lease(self, script: Script, partition: Partition, token: str) -> Call:
        return Call(script, [self._keys.of(partition.number, "lease", self._consumer)], [token, self._milliseconds])

    def _released(self, number: int, token: str) -> Call:
        return Call(scripts.RELEASE, [self._keys.of(number, "lease", self._consumer)], [token])
