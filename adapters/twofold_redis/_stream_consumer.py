"""Receiving from streams."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

from redis.exceptions import RedisError

from twofold.errors import TransientFailure
from twofold.ports import Delivery

from . import _stream_scripts as scripts
from ._stream_holding import Holding
from ._stream_part import Part, Receipt
from ._stream_server import Arg, Call, Server, text

logger = logging.getLogger("twofold.redis")

_PAUSE = 0.2
"""How long to wait until Redis is asked again that was away, in seconds."""

_EVERYWHERE = 8
"""After how many looks at the streams that have something the others are looked at, too."""

_STEP = 1_000
"""How many entries are accepted in one step at most."""


class StreamConsumer:
    """Receives from the streams that this process holds; see `Consumer`.

    Args:
        server: runs the scripts.
        consumer: the consumer's name.
        holding: the streams that are held.
        background: what claims and renews them; its failure ends the receiving.
        declare: makes a group that is lost anew.
        window: how many messages are open at most.
    """

    def __init__(
        self,
        server: Server,
        consumer: str,
        holding: Holding,
        background: asyncio.Task[None],
        declare: Callable[[], Awaitable[None]],
        window: int,
    ) -> None:
        self._server = server
        self._consumer = consumer
        self._holding = holding
        self._background = background
        self._declare = declare
        self._window = window
        self._turn = asyncio.Lock()
        self._looks = 0
        self._trouble: str | None = None

    @property
    def trouble(self) -> str | None:
        """What keeps it from receiving at the moment."""
        return self._trouble or self._holding.trouble

    async def receive(self, *, limit: int = 100) -> Sequence[Delivery]:
        """Wait until there are messages; return those that are there. While Redis is away, wait for it."""
        async with self._turn:
            while True:
                if self._background.done():
                    self._background.result()
                self._holding.changed.clear()
                try:
                    found, moved = await self._look(limit)
                    self._trouble = None
                    if found:
                        return found
                    if not moved:
                        await self._wait()
                except TransientFailure as error:
                    if self._trouble is None:
                        logger.warning("%s cannot receive and goes on trying: %s", self._consumer, error)
                    self._trouble = str(error)
                    await asyncio.sleep(_PAUSE)

    async def accept(self, deliveries: Sequence[Delivery]) -> None:
        """Acknowledge entries. Those of a stream that was lost come again.

        Raises:
            TransientFailure: Redis is away; it can be repeated.
        """
        calls: list[tuple[Part, list[str], Call]] = []
        for part, entries in _by_part(deliveries).items():
            lease, stream = self._key(part, "lease", self._consumer), self._key(part, "stream")
            for start in range(0, len(entries), _STEP):
                some = entries[start : start + _STEP]
                call = Call(scripts.ACCEPT, [lease, stream], [part.token, self._consumer, *some])
                calls.append((part, some, call))
        if not calls:
            return
        answers = await self._server.each([call for *_, call in calls], f"accept what {self._consumer} received")
        for (part, entries, _), answer in zip(calls, answers, strict=True):
            self._settled(part, entries, answer)

    async def refuse(self, deliveries: Sequence[Delivery]) -> None:
        """Let entries come again, before all that is newer in their streams. They stay pending meanwhile."""
        for part, entries in _by_part(deliveries).items():
            for entry in entries:
                part.refuse(entry)
        self._holding.changed.set()

    async def park(self, delivery: Delivery, reason: str) -> None:
        """Keep a message in the consumer's hash and acknowledge it, in one step.

        Raises:
            TransientFailure: Redis is away; it can be repeated.
        """
        for part, entries in _by_part([delivery]).items():
            sent = delivery.message
            marked = "" if sent.key is None else f"k{sent.key}"
            keys = [self._key(part, *name) for name in (("lease", self._consumer), ("stream",))]
            kept = sent.id, sent.topic, marked, sent.body, reason.encode("utf-8", "replace")
            args: list[Arg] = [part.token, self._consumer, entries[0], *kept]
            call = Call(scripts.PARK, [*keys, self._key(part, "parked", self._consumer)], args)
            answer = await self._server.one(call, f"park {sent.id}")
            self._settled(part, entries, answer)

    async def _look(self, limit: int) -> tuple[list[Delivery], bool]:
        """Ask for the next entries of the streams that are held, in one round trip."""
        parts = [part for part in self._holding.parts.values() if part.held and not part.draining]
        room = min(limit, self._window - sum(len(part.open) for part in self._holding.parts.values()))
        if not parts or room <= 0:
            return [], False
        self._looks += 1
        first = self._looks % len(parts)
        asked = _shares([*parts[first:], *parts[:first]], room, everywhere=self._looks % _EVERYWHERE == 0)
        if not asked:
            return [], False
        calls = [(part, part.look(share)) for part, share in asked]
        answers = await self._server.run([call for _, call in calls], f"receive for {self._consumer}")
        found: list[Delivery] = []
        moved = False
        for (part, _), answer in zip(calls, answers, strict=True):
            if isinstance(answer, Exception):
                await self._refused(part, answer)
                moved = True
                continue
            understood = part.understand(answer)
            found += understood.deliveries
            moved = moved or understood.moved
            if understood.missing:
                logger.warning(
                    "stream %d has lost %d entries that %s had not settled: %s",
                    *(part.number, len(understood.missing), self._consumer, ", ".join(understood.missing[:10])),
                )
        self._holding.drop_lost()
        return found, moved or any(not part.quiet for part in parts)

    async def _refused(self, part: Part, error: Exception) -> None:
        """Make a stream or group that is gone anew; raise any other error."""
        if not str(error).startswith("NOGROUP") and "requires the key to exist" not in str(error):
            raise TransientFailure(f"cannot receive for {self._consumer}: Redis refused it ({error}).") from error
        part.begin_again()
        await self._declare()

    async def _wait(self) -> None:
        """Wait until something is added to a stream that had nothing, something is refused, or a stream is claimed."""
        quiet = {
            self._key(part, "stream"): part for part in self._holding.parts.values() if part.quiet and not part.draining
        }
        changed = asyncio.ensure_future(self._holding.changed.wait())
        added = asyncio.ensure_future(self._added(quiet))
        try:
            await asyncio.wait({changed, added}, timeout=self._block + 1, return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()
            if not added.done():
                added.cancel()
                await asyncio.wait({added})
        if added.done() and not added.cancelled():
            added.result()

    async def _added(self, quiet: dict[str, Part]) -> None:
        if not quiet:
            await asyncio.sleep(self._block)
            return
        streams = {name: part.cursor for name, part in quiet.items()}
        try:
            async with asyncio.timeout(self._server.seconds + self._block):
                found: Any = await self._server.client.xread(
                    cast("Any", streams), count=1, block=int(self._block * 1000)
                )
        except (RedisError, OSError, TimeoutError) as error:
            raise TransientFailure(f"cannot receive for {self._consumer}: Redis is away ({error}).") from error
        for name in list(found) if isinstance(found, dict) else [each[0] for each in found or ()]:
            quiet[text(name)].quiet = False
        if not found:  # look all the same: their groups may be gone
            for part in quiet.values():
                part.quiet = False

    @property
    def _block(self) -> float:
        """How long to wait at a time for something to be added, in seconds: less than the client lets a reply take."""
        patience = self._server.client.connection_pool.connection_kwargs.get("socket_timeout")
        return min(1.0, patience / 2) if patience else 1.0

    def _settled(self, part: Part, entries: Sequence[str], answer: int) -> None:
        if answer < 0:
            part.lost()
            self._holding.drop_lost()
        for entry in entries:
            part.open.pop(entry, None)
        self._holding.changed.set()

    def _key(self, part: Part, *name: str) -> str:
        return self._server.key(part.number, *name)


def _shares(parts: Sequence[Part], room: int, *, everywhere: bool) -> list[tuple[Part, int]]:
    """Return how much to ask of which stream: of those that have something, and sometimes one entry of the others."""
    quiet = [part for part in parts if part.quiet][:room] if everywhere else []
    busy = [part for part in parts if not part.quiet][: room - len(quiet)]
    return [(part, 1) for part in quiet] + [(part, (room - len(quiet)) // len(busy)) for part in busy]


def _by_part(deliveries: Sequence[Delivery]) -> dict[Part, list[str]]:
    """Return the entries of deliveries by their streams, of those that are still held."""
    found: dict[Part, list[str]] = {}
    for delivery in deliveries:
        part, entry = cast(Receipt, delivery.receipt)
        if part.held and entry in part.open:
            found.setdefault(part, []).append(entry)
    return found
