"""A stream that a process holds: what it has handed out of it, and what comes next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from twofold.ports import Delivery, WireMessage

from .._server.keys import StreamKeys
from .._server.server import Argument, Call
from . import scripts

_PAGE: Final = 1_000
"""How many pending entries are asked for in one step."""

_FIRST: Final = "-"
"""From where on all pending entries are asked for."""


class Receipt(NamedTuple):
    """A delivery of a part: settled there, as long as it is held."""

    part: Part
    entry: str


class Answer(NamedTuple):
    """What became of a look at a stream."""

    deliveries: Sequence[Delivery] = ()
    moved: bool = False
    """Whether there may be more at once."""
    read: bool = False
    """Whether entries were asked for, and not only what is pending."""
    missing: Sequence[str] = ()
    """Entries that were to come again and that the stream does not have any more."""


class Part:
    """One stream, from its claim until its lease is lost or given back. All that is pending comes first, in order.

    Args:
        keys: names the keys.
        consumer: whose group it is.
        number: which stream.
        token: marks the claim; nobody else's is the same.
    """

    def __init__(self, keys: StreamKeys, consumer: str, number: int, token: str) -> None:
        self.number = number
        self.token = token
        self.held = True
        """False once another process may have it. Nothing is settled here any more."""
        self.draining = False
        """Whether it is given to another process as soon as nothing of it is open."""
        self.quiet = False
        """Whether there was nothing in it when it was last looked at."""
        self.trouble: str | None = None
        """Why it could not be read when that was last tried."""
        self.cursor = "0-0"
        """The last entry of which it is known."""
        self.open: set[str] = set()
        """Entries that were delivered and are not settled."""
        self._again: set[str] = set()
        self._behind: str | None = _FIRST
        self._unheard = False
        self._reads = 0
        self._keys = keys
        self._consumer = consumer

    def lost(self) -> None:
        """Forget everything: another process may have it."""
        self.held = False
        self.open.clear()
        self._again.clear()

    def begin_again(self) -> None:
        """Forget what was known of a stream or group that is no more."""
        self.open.clear()
        self._again.clear()
        self._behind, self.cursor, self.quiet = _FIRST, "0-0", False

    def look(self, limit: int, size: int) -> Call:
        """Return the call that asks for the next entries, at most so many, and no more once they have so many bytes.

        What a read takes is pending. As long as its answer was not understood, the next look asks for that.
        """
        self._reads += 1
        if self._unheard:
            self._behind = _FIRST
        lease, stream = self._key("lease", self._consumer), self._key("stream")
        begin: tuple[Argument, ...] = self.token, self._reads, self._consumer
        if self._behind is not None:
            return Call(scripts.PENDING, [lease, stream], [*begin, self._behind, _PAGE])
        self._unheard = True
        again = sorted(self._again, key=place)[:limit]
        return Call(scripts.READ, [lease, stream, self._key("feeds")], [*begin, limit, size, *again])

    def understand(self, answer: Sequence[Any]) -> Answer:
        """Take note of what the server says to the last look."""
        kind, *found = answer
        if kind == scripts.NOT_HELD:
            self.lost()
        if not self.held:  # given back meanwhile; what was read is pending, and the next one's
            return Answer()
        if kind == scripts.REPEATED:
            return Answer(moved=True)
        self._unheard = False
        return self._pending(*found) if kind == scripts.PENDING_FOUND else self._read(*found)

    def _pending(self, found: Sequence[bytes]) -> Answer:
        self._again |= {entry.decode() for entry in found} - self.open
        self._behind = f"({found[-1].decode()}" if len(found) == _PAGE else None
        return Answer(moved=True)

    def _read(self, entries: Sequence[Sequence[bytes]], gone: Sequence[bytes], last: bytes, more: int) -> Answer:
        self.trouble = None
        missing = [entry for each in gone if (entry := each.decode()) in self._again]
        deliveries = [
            Delivery(message(sent, topic, key, body), self.number, Receipt(self, entry.decode()))
            for entry, sent, topic, key, body in entries
        ]
        read = {entry.decode() for entry, *_ in entries}
        self._again -= read.union(missing)
        self.open |= read
        if last:
            self.cursor = last.decode()
        self.quiet = not more and not self._again
        return Answer(deliveries, moved=bool(more), read=True, missing=missing)

    def _key(self, *name: str) -> str:
        return self._keys.of(self.number, *name)


def place(entry: str) -> tuple[int, int]:
    """Return where an entry stands in its stream."""
    time, _, number = entry.partition("-")
    return int(time), int(number)


def message(id: bytes, topic: bytes, key: bytes, body: bytes) -> WireMessage:
    """Return a message as it is kept; its key is marked, so that an empty one is not none."""
    marked = key.decode()
    return WireMessage(id.decode(), topic.decode(), marked[1:] if marked else None, body)
