"""Which streams a process holds of a feed: claimed, renewed apart from the handlers, shared with the others."""

from __future__ import annotations

import asyncio
import logging
import math
import random
import secrets
from itertools import count

from twofold.errors import TransientFailure

from .._server.errors import translated
from .._server.keys import StreamKeys
from .._server.server import Call, Script, Server
from . import scripts
from .partition import Part

logger = logging.getLogger("twofold.redis")

_TRIM = 4
"""After how many rounds what nobody needs any more is removed."""


class Holding:
    """The streams that one consumer of this process receives from.

    Args:
        server: runs the scripts.
        keys: names the keys.
        consumer: the consumer's name.
        parts: how many streams there are.
        idle: how long a lease lasts, in seconds.
    """

    def __init__(self, server: Server, keys: StreamKeys, consumer: str, parts: int, idle: float) -> None:
        self.parts: dict[int, Part] = {}
        self.changed = asyncio.Event()
        """Set when there may be something to receive where there was nothing."""
        self._away: str | None = None
        self._untrimmed: str | None = None
        self._server = server
        self._keys = keys
        self._consumer = consumer
        self._number = parts
        self._idle = idle
        self._milliseconds = math.ceil(idle * 1000)
        self._member = secrets.token_hex(8)
        self._tokens = count(1)
        self._claimed: dict[int, str] = {}

    @property
    def trouble(self) -> str | None:
        """Why nothing can be renewed, claimed or trimmed at the moment."""
        return self._away or self._untrimmed

    async def run(self) -> None:
        """Renew, claim and trim until cancelled."""
        for number in count():
            try:
                await self.round()
                if number % _TRIM == _TRIM - 1:
                    await self._trim()
                self._away = None
            except TransientFailure as error:
                if self._away is None:
                    logger.warning("%s cannot renew its leases and goes on trying: %s", self._consumer, error)
                self._away = str(error)
            await asyncio.sleep(min(self._idle / 5, 0.5))

    async def round(self) -> None:
        """Say that this process is here, renew what it holds, and take or give what is its share."""
        held = list(self.parts.values())
        members = Call(
            scripts.ATTEND, [self._keys.shared("members", self._consumer)], [self._member, self._milliseconds]
        )
        renewals = [self._lease(scripts.RENEW, each, each.token) for each in held]
        present, *renewed = await self._server.each([members, *renewals], f"renew the leases of {self._consumer}")
        for part, still in zip(held, renewed, strict=True):
            if not still:
                part.lost()
        self.drop_lost()
        share = math.ceil(self._number / max(int(present), 1))
        await self._give(share)
        await self._claim(share)

    def drop_lost(self) -> None:
        """Forget streams that are lost."""
        for number, part in list(self.parts.items()):
            if not part.held:
                logger.info("%s does not hold stream %d any more", self._consumer, number)
                del self.parts[number]

    async def leave(self) -> None:
        """Give everything back, so that others need not wait for the leases to end."""
        held, self.parts = self.parts, {}
        for part in held.values():
            part.lost()
        tokens = {**self._claimed, **{number: part.token for number, part in held.items()}}
        calls = [self._release(number, token) for number, token in tokens.items()]
        members = self._keys.shared("members", self._consumer)
        await self._server.together([*calls, Call(scripts.ATTEND, [members], [self._member, 0])], "give streams back")

    async def _give(self, share: int) -> None:
        """Give away what is more than this process's share, each stream once nothing of it is open."""
        kept = sorted(self.parts.values(), key=lambda each: each.draining)
        for place, part in enumerate(kept):
            part.draining = place >= share
            if part.draining and not part.open:
                del self.parts[part.number]
                part.lost()
                await self._server.each([self._release(part.number, part.token)], f"give stream {part.number} back")

    async def _claim(self, share: int) -> None:
        wanted = [number for number in range(self._number) if number not in self.parts]
        random.shuffle(wanted)  # several that begin at once do not all ask for the same ones
        while wanted and (room := share - len(self.parts)) > 0:
            asked, wanted = wanted[:room], wanted[room:]
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
            for number, got in zip(asked, await self._server.each(calls, "claim streams"), strict=True):
                token = self._claimed.pop(number)
                if got:
                    self.parts[number] = Part(self._keys, self._consumer, number, token)
                    self.changed.set()

    async def _trim(self) -> None:
        calls = [
            Call(scripts.TRIM, [self._keys.of(number, "stream"), self._keys.of(number, "feeds")])
            for number in self.parts
        ]
        answers = await self._server.together(calls, "trim streams") if calls else []
        refused = next((each for each in answers if isinstance(each, Exception)), None)
        untrimmed = None if refused is None else str(translated(refused, "trim streams"))
        if untrimmed is not None and self._untrimmed is None:
            logger.warning("%s keeps more than is needed: %s", self._consumer, untrimmed)
        self._untrimmed = untrimmed

    def _lease(self, script: Script, part: Part, token: str) -> Call:
        return Call(script, [self._keys.of(part.number, "lease", self._consumer)], [token, self._milliseconds])

    def _release(self, number: int, token: str) -> Call:
        return Call(scripts.RELEASE, [self._keys.of(number, "lease", self._consumer)], [token])
