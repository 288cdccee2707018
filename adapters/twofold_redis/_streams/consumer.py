"""Receiving from streams."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, cast

from twofold.errors import TransientFailure
from twofold.ports import Delivery

from .._server.errors import has_code, translated
from .._server.keys import StreamKeys
from .._server.server import Argument, Call, Server
from . import scripts
from .holding import Holding
from .partition import Part, Receipt

logger = logging.getLogger("twofold.redis")

_PAUSE: Final = 0.2
"""How long to wait until Redis is asked again that was away, in seconds."""

_EVERYWHERE: Final = 8
"""After how many looks at the streams that have something the others are looked at, too."""

_STEP: Final = 1_000
"""How many entries are accepted in one step at most."""

_SIZE: Final = 1_048_576
"""After how many bytes no more entries are asked for at a time: one more may come of each stream."""


class StreamConsumer:
    """Receives from the streams that this process holds; see `Consumer`.

    Args:
        server: runs the scripts.
        keys: names the keys.
        consumer: the consumer's name.
        holding: the streams that are held.
        background: what claims and renews them; its failure ends the receiving.
        declare: makes a group that is lost anew.
        window: how many messages are open at most.
    """

    def __init__(
        self,
        server: Server,
        keys: StreamKeys,
        consumer: str,
        holding: Holding,
        background: asyncio.Task[None],
        declare: Callable[[], Awaitable[None]],
        window: int,
    ) -> None:
        self._server = server
        self._keys = keys
        self._consumer = consumer
        self._holding = holding
        self._background = background
        self._declare = declare
        self._window = window
        self._turn = asyncio.Lock()
        self._looks = 0
        self._slow = False
        """Whether the last look got no answer: it may have asked for too much."""
        self._lost = False
        """Whether a stream or group has to be made anew."""
        self._trouble: str | None = None

    @property
    def trouble(self) -> str | None:
        """What keeps it from receiving at the moment."""
        refused = (part.trouble for part in self._holding.parts.values() if part.trouble is not None)
        return self._trouble or next(refused, None) or self._holding.trouble

    async def receive(self, *, limit: int = 100) -> Sequence[Delivery]:
        """Wait until there are messages; return those that are there. While Redis is away, wait for it."""
        async with self._turn:
            while True:
                if self._background.done():
                    self._background.result()
                self._holding.changed.clear()
                try:
                    await self._mend()
                    found, moved = await self._look(limit)
                    if found:
                        return found
                    if any(part.trouble is not None for part in self._holding.parts.values()):
                        await asyncio.sleep(_PAUSE)
                    elif not moved:
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

    async def park(self, delivery: Delivery, reason: str) -> None:
        """Keep a message in the consumer's hash and acknowledge it, in one step.

        Raises:
            TransientFailure: Redis is away; it can be repeated.
        """
        for part, entries in _by_part([delivery]).items():
            sent = delivery.message
            marked = "" if sent.key is None else f"k{sent.key}"
            keys = [self._key(part, *name) for name in (("lease", self._consumer), ("stream",))]
            kept = sent.id, sent.topic, marked, sent.body, reason.encode("utf-8", "backslashreplace")
            arguments: list[Argument] = [part.token, self._consumer, entries[0], *kept]
            keys.append(self._key(part, "parked", self._consumer))
            answer = await self._server.run(scripts.PARK, keys, arguments, f"park {sent.id}")
            self._settled(part, entries, answer)

    async def _mend(self) -> None:
        """Make a stream or group anew that is gone. Nothing is read meanwhile that could be lost with a failure."""
        if self._lost:
            self._lost = False  # what is still gone is found missing by the next look
            await self._declare()

    async def _look(self, limit: int) -> tuple[list[Delivery], bool]:
        """Ask for the next entries of the streams that are held, in one round trip; return whether there may be more."""
        parts = [part for part in self._holding.parts.values() if part.held and not part.draining]
        room = min(limit, self._window - sum(len(part.open) for part in self._holding.parts.values()))
        if not parts:
            self._trouble = None
        if not parts or room <= 0:
            return [], False
        self._looks += 1
        first = self._looks % len(parts)
        asked = _shares([*parts[first:], *parts[:first]], room, everywhere=self._looks % _EVERYWHERE == 0)
        if self._slow:  # even one message of each stream may be too much at a time
            asked = [(part, 1) for part, _ in asked[-1:]]
        if not asked:
            return [], False
        calls = [part.look(share, _SIZE // len(asked)) for part, share in asked]
        try:
            answers = await self._server.together(calls, f"receive for {self._consumer}")
        except TransientFailure:
            self._slow = True
            raise
        found: list[Delivery] = []
        moved = read = False
        for (part, _), answer in zip(asked, answers, strict=True):
            if isinstance(answer, Exception):
                self._refused(part, answer)
                moved = True
                continue
            understood = part.understand(answer)
            found += understood.deliveries
            moved, read = moved or understood.moved, read or understood.read
            if understood.missing:
                logger.warning(
                    "stream %d has lost %d entries that %s had not settled: %s",
                    *(part.number, len(understood.missing), self._consumer, ", ".join(understood.missing[:10])),
                )
        if read:
            self._slow, self._trouble = False, None
        self._holding.drop_lost()
        return found, moved or any(not part.quiet for part in parts)

    def _refused(self, part: Part, error: Exception) -> None:
        """Note that a stream or group is gone, or what else keeps a stream from being read."""
        if has_code(error, "NOGROUP") or "requires the key to exist" in str(error):
            part.begin_again()
            self._lost = True
            return
        trouble = str(translated(error, f"read stream {part.number} for {self._consumer}"))
        if part.trouble is None:
            logger.warning("%s goes on with its other streams: %s", self._consumer, trouble)
        part.trouble = trouble

    async def _wait(self) -> None:
        """Wait until an entry is added to a stream that was empty, a delivery is settled, or a stream is claimed."""
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
        cursors = [part.cursor for part in quiet.values()]
        options = "COUNT", 1, "BLOCK", int(self._block * 1000), "STREAMS"
        attempt = f"receive for {self._consumer}"
        found = await self._server.command(attempt, "XREAD", *options, *quiet, *cursors, block=self._block)
        for name in list(found) if isinstance(found, dict) else [each[0] for each in found or ()]:
            quiet[name.decode()].quiet = False
        if not found:  # look all the same: their groups may be gone
            for part in quiet.values():
                part.quiet = False

    @property
    def _block(self) -> float:
        """How long to wait at a time for something to be added, in seconds: less than the client lets a reply take."""
        patience = self._server.patience
        return min(1.0, patience / 2) if patience else 1.0

    def _settled(self, part: Part, entries: Sequence[str], answer: int) -> None:
        if answer < 0:
            part.lost()
            self._holding.drop_lost()
        for entry in entries:
            part.open.discard(entry)
        self._holding.changed.set()

    def _key(self, part: Part, *name: str) -> str:
        return self._keys.of(part.number, *name)


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
