"""List the parked messages of a consumer, and remove or requeue them. Each stream has a stream of parked messages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from twofold.ports import ParkedDelivery

from .._server.keys import StreamKeys
from .._server.server import Argument, Call, Script, Server
from . import scripts
from .partition import message, order_of, text_of

_COUNT: Final = 500
"""The largest number of messages that one script reads, and the largest number that one script requeues."""

_SIZE: Final = 1_048_576
"""The number of bytes after which a script reads no further message."""


class Parking:
    """The parked messages of one consumer.

    Args:
        server: runs the scripts.
        keys: the names of the keys.
        consumer: the name of the consumer.
        partitions: the number of streams.
    """

    def __init__(self, server: Server, keys: StreamKeys, consumer: str, partitions: int) -> None:
        self._server = server
        self._keys = keys
        self._consumer = consumer
        self._partitions = partitions

    async def listed(self) -> Sequence[ParkedDelivery]:
        """Return the messages, oldest first."""
        found = [
            (order_of(entry.decode()), ParkedDelivery(message(*sent), text_of(reason)))
            for number in range(self._partitions)
            async for entry, *sent, reason in self._pages(scripts.PARKED, number, _SIZE)
        ]
        return [each for _, each in sorted(found, key=lambda each: each[0])]

    async def count(self) -> int:
        """Return the number of messages."""
        lengths = [["XLEN", self._parked(number)] for number in range(self._partitions)]
        found = await self._server.each_command(f"count the parked messages of {self._consumer}", lengths)
        return sum(map(int, found))

    async def unpark(self, ids: Sequence[str], *, again: bool) -> int:
        """Move messages to the end of their streams, for this consumer only, or delete them. Return how many there were.

        The messages are found before the first one is moved. A message that is parked again during this call is a new
        entry.
        """
        wanted, number_of_messages = frozenset(ids), 0
        for number in range(self._partitions) if wanted else ():
            pages = self._pages(scripts.PARKED_IDS, number)
            entries = [entry.decode() async for entry, name in pages if text_of(name) in wanted]
            for start in range(0, len(entries), _COUNT):
                keys = [self._keys.of(number, "stream"), self._parked(number)]
                arguments: list[Argument] = [self._consumer, int(again), *entries[start : start + _COUNT]]
                number_of_messages += await self._server.run(
                    scripts.UNPARK, keys, arguments, f"unpark messages of {self._consumer}"
                )
        return number_of_messages

    async def _pages(self, script: Script, number: int, *more: Argument) -> AsyncIterator[Sequence[Any]]:
        after: Argument = "0-0"
        while True:
            call = Call(script, [self._parked(number)], [after, _COUNT, *more])
            (found,) = await self._server.each([call], f"read what {self._consumer} parked")
            for each in found:
                yield each
            if not found:
                return
            after = found[-1][0]

    def _parked(self, number: int) -> str:
        return self._keys.of(number, "parked", self._consumer)
