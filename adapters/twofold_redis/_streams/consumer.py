"""Receive messages from streams."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, cast

from twofold.errors import TransientFailure
from twofold.ports import Delivery, WireMessage, logger_of

from .._server.errors import has_code, translated
from .._server.keys import StreamKeys
from .._server.server import Call, Server
from . import scripts
from .leases import PartitionLeases
from .partition import Partition, Receipt

logger = logger_of("twofold.redis")

DELAY: Final = 0.2
"""The delay before a read that failed is retried, in seconds."""

_EVERYWHERE: Final = 8
"""The number of reads after which streams whose last read found nothing are read as well."""

_STEP: Final = 1_000
"""The largest number of entries that one call accepts."""

_SIZE: Final = 1_048_576
"""The number of bytes after which a read asks for no further entry. Each stream may return one more entry."""


class StreamConsumer:
    """Receives from the partitions that this process holds; see `Consumer`.

    Args:
        server: runs the scripts.
        keys: the names of the keys.
        consumer: the name of the consumer.
        leases: the partitions that this process holds.
        background: the task that claims and renews them. Its failure ends the receiving.
        declare: creates a stream or group that was lost.
        window: the largest number of unsettled messages.
    """

    def __init__(
        self,
        server: Server,
        keys: StreamKeys,
        consumer: str,
        leases: PartitionLeases,
        background: asyncio.Task[None],
        declare: Callable[[], Awaitable[None]],
        window: int,
    ) -> None:
        self._server = server
        self._keys = keys
        self._consumer = consumer
        self._leases = leases
        self._background = background
        self._declare = declare
        self._window = window
        self._lock = asyncio.Lock()
        self._reads = 0
        self._slow = False
        """Whether the last read timed out. It may have requested too many entries."""
        self._lost = False
        """Whether a stream or group must be created again."""
        self._problem: str | None = None

    @property
    def problem(self) -> str | None:
        """Why messages cannot be received at the moment."""
        refused = (each.problem for each in self._leases.held.values() if each.problem is not None)
        return self._problem or next(refused, None) or self._leases.problem

    async def receive(self, *, limit: int = 100) -> Sequence[Delivery]:
        """Wait for messages and return them. Retry while Redis does not answer."""
        async with self._lock:
            while True:
                if self._background.done():
                    self._background.result()
                self._leases.changed.clear()
                try:
                    await self._restore()
                    found, moved = await self._read(limit)
                    if found:
                        return found
                    if any(each.problem is not None for each in self._leases.held.values()):
                        await asyncio.sleep(DELAY)
                    elif not moved:
                        await self._wait()
                except TransientFailure as error:
                    if self._problem is None:
                        logger.warning("%s cannot receive and retries: %s", self._consumer, error)
                    self._problem = str(error)
                    await asyncio.sleep(DELAY)

    async def accept(self, deliveries: Sequence[Delivery]) -> None:
        """Acknowledge entries. Entries of a partition whose lease was lost are redelivered.

        Raises:
            TransientFailure: Redis does not answer. The call can be repeated.
        """
        calls: list[tuple[Partition, list[str], Call]] = []
        for partition, entries in _by_partition(deliveries).items():
            lease, stream = self._key(partition, "lease", self._consumer), self._key(partition, "stream")
            for start in range(0, len(entries), _STEP):
                some = entries[start : start + _STEP]
                call = Call(scripts.ACCEPT, [lease, stream], [partition.token, self._consumer, *some])
                calls.append((partition, some, call))
        if not calls:
            return
        answers = await self._server.each([call for *_, call in calls], f"accept messages of {self._consumer}")
        for (partition, entries, _), answer in zip(calls, answers, strict=True):
            self._settled(partition, entries, answer)

    async def park(self, delivery: Delivery, reason: str) -> None:
        """Store a message in the consumer's stream of parked messages and acknowledge it, in one step."""
        await self.park_all([(delivery, reason)])

    async def park_all(self, refused: Sequence[tuple[Delivery, str]]) -> None:
        """Store messages in the consumer's streams of parked messages, each in one step with its acknowledgement.

        Raises:
            TransientFailure: Redis does not answer. The call can be repeated.
        """
        calls = [
            (partition, entry, self._parking(partition, entry, delivery.message, reason))
            for delivery, reason in refused
            for partition, (entry,) in _by_partition([delivery]).items()
        ]
        answers = await self._server.each([call for *_, call in calls], f"park messages of {self._consumer}")
        for (partition, entry, _), answer in zip(calls, answers, strict=True):
            self._settled(partition, [entry], answer)

    def _parking(self, partition: Partition, entry: str, sent: WireMessage, reason: str) -> Call:
        keys = [
            self._key(partition, *name) for name in (("lease", self._consumer), ("stream",), ("parked", self._consumer))
        ]
        marked = "" if sent.key is None else f"k{sent.key}"
        kept = sent.id, sent.topic, marked, sent.body, reason.encode("utf-8", "backslashreplace")
        return Call(scripts.PARK, keys, [partition.token, self._consumer, entry, *kept])

    async def _restore(self) -> None:
        """Create a stream or group that is gone. Nothing is read in the meantime, since a failure would lose it."""
        if self._lost:
            self._lost = False  # the next read finds what is still missing
            await self._declare()

    async def _read(self, limit: int) -> tuple[list[Delivery], bool]:
        """Read the next entries of the leased streams in one round trip. Return whether there may be more."""
        partitions = [each for each in self._leases.held.values() if each.held and not each.draining]
        room = min(limit, self._window - sum(len(each.unsettled) for each in self._leases.held.values()))
        if not partitions:
            self._problem = None
        if not partitions or room <= 0:
            return [], False
        self._reads += 1
        first = self._reads % len(partitions)
        asked = _shares([*partitions[first:], *partitions[:first]], room, everywhere=self._reads % _EVERYWHERE == 0)
        if self._slow:  # even one message of each stream may be too much for one answer
            asked = [(partition, 1) for partition, _ in asked[-1:]]
        if not asked:
            return [], False
        calls = [partition.next_read(share, _SIZE // len(asked)) for partition, share in asked]
        try:
            answers = await self._server.together(calls, f"receive for {self._consumer}")
        except TransientFailure:
            self._slow = True
            raise
        found: list[Delivery] = []
        moved = read = False
        for (partition, _), answer in zip(asked, answers, strict=True):
            if isinstance(answer, Exception):
                self._refused(partition, answer)
                moved = True
                continue
            decoded = partition.answered(answer)
            found += decoded.deliveries
            moved, read = moved or decoded.moved, read or decoded.read
            if decoded.missing:
                logger.warning(
                    "stream %d lost %d entries that %s had not settled: %s",
                    *(partition.number, len(decoded.missing), self._consumer, ", ".join(decoded.missing[:10])),
                )
        if read:
            self._slow, self._problem = False, None
        self._leases.drop_lost()
        return found, moved or any(not each.empty for each in partitions)

    def _refused(self, partition: Partition, error: Exception) -> None:
        """Record that a stream or group is missing, or why a stream cannot be read."""
        if has_code(error, "NOGROUP") or "requires the key to exist" in str(error):
            partition.start_again()
            self._lost = True
            return
        problem = str(translated(error, f"read stream {partition.number} for {self._consumer}"))
        if partition.problem is None:
            logger.warning("%s continues with its other streams: %s", self._consumer, problem)
        partition.problem = problem

    async def _wait(self) -> None:
        """Wait until an entry is added to an empty stream, a delivery is settled, or a partition is claimed."""
        empty = {
            self._key(each, "stream"): each for each in self._leases.held.values() if each.empty and not each.draining
        }
        changed = asyncio.ensure_future(self._leases.changed.wait())
        added = asyncio.ensure_future(self._added(empty))
        try:
            await asyncio.wait({changed, added}, timeout=self._block + 1, return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()
            if not added.done():
                added.cancel()
                await asyncio.wait({added})
        if added.done() and not added.cancelled():
            added.result()

    async def _added(self, empty: dict[str, Partition]) -> None:
        if not empty:
            await asyncio.sleep(self._block)
            return
        cursors = [each.cursor for each in empty.values()]
        options = "COUNT", 1, "BLOCK", int(self._block * 1000), "STREAMS"
        attempt = f"receive for {self._consumer}"
        found = await self._server.command(attempt, "XREAD", *options, *empty, *cursors, block=self._block)
        for name in list(found) if isinstance(found, dict) else [each[0] for each in found or ()]:
            empty[name.decode()].empty = False
        if not found:  # read all the same, because a group may be gone
            for each in empty.values():
                each.empty = False

    @property
    def _block(self) -> float:
        """Return the seconds that one call waits for a new entry: less than the client's timeout of a reply."""
        timeout = self._server.read_timeout
        return min(1.0, timeout / 2) if timeout else 1.0

    def _settled(self, partition: Partition, entries: Sequence[str], answer: int) -> None:
        if answer < 0:
            partition.lost()
            self._leases.drop_lost()
        for entry in entries:
            partition.unsettled.discard(entry)
        self._leases.changed.set()

    def _key(self, partition: Partition, *name: str) -> str:
        return self._keys.of(partition.number, *name)


def _shares(partitions: Sequence[Partition], room: int, *, everywhere: bool) -> list[tuple[Partition, int]]:
    """Return the number of entries to read from each stream. Streams without entries are read only now and then."""
    empty = [each for each in partitions if each.empty][:room] if everywhere else []
    busy = [each for each in partitions if not each.empty][: room - len(empty)]
    return [(each, 1) for each in empty] + [(each, (room - len(empty)) // len(busy)) for each in busy]


def _by_partition(deliveries: Sequence[Delivery]) -> dict[Partition, list[str]]:
    """Return the entries of deliveries by partition, if the lease of the partition still holds."""
    found: dict[Partition, list[str]] = {}
    for delivery in deliveries:
        partition, entry = cast(Receipt, delivery.receipt)
        if partition.held and entry in partition.unsettled:
            found.setdefault(partition, []).append(entry)
    return found
