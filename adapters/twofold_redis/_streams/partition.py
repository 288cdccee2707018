"""One stream that this process receives: the entries that it delivered, and the call that reads the next ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from twofold.ports import Delivery, WireMessage

from .._server.keys import StreamKeys
from .._server.server import Argument, Call
from . import scripts

_BATCH: Final = 1_000
"""The number of pending entries that one call lists."""

_FIRST: Final = "-"
"""The start of the list of pending entries."""


class Receipt(NamedTuple):
    """Identifies a delivery. It can be settled as long as the lease of its partition holds."""

    partition: Partition
    entry: str


class Answer(NamedTuple):
    """The decoded answer to a read."""

    deliveries: Sequence[Delivery] = ()
    moved: bool = False
    """Whether the next read may return more without a wait."""
    read: bool = False
    """Whether the call read entries. False if it listed pending entries."""
    missing: Sequence[str] = ()
    """Entries that were to be redelivered and that the stream no longer has."""


class Partition:
    """One stream, from its claim until its lease is lost or released. Pending entries are redelivered first, in order.

    Args:
        keys: the names of the keys.
        consumer: the consumer, which is the name of the group.
        number: the number of the stream.
        token: identifies the claim; no other claim has the same token.
    """

    def __init__(self, keys: StreamKeys, consumer: str, number: int, token: str) -> None:
        self.number = number
        self.token = token
        self.held = True
        """False once another process may hold the lease. Nothing is settled here any more."""
        self.draining = False
        """Whether the lease is released as soon as every delivery is settled."""
        self.empty = False
        """Whether the last read found no entry."""
        self.problem: str | None = None
        """Why the last read failed."""
        self.cursor = "0-0"
        """The last entry that was seen."""
        self.unsettled: set[str] = set()
        """Entries that were delivered and are not settled."""
        self._redeliver: set[str] = set()
        self._list_from: str | None = _FIRST
        self._unanswered = False
        self._reads = 0
        self._keys = keys
        self._consumer = consumer

    def lost(self) -> None:
        """Drop the state: another process may hold the lease."""
        self.held = False
        self.unsettled.clear()
        self._redeliver.clear()

    def start_again(self) -> None:
        """Drop the state of a stream or group that no longer exists."""
        self.unsettled.clear()
        self._redeliver.clear()
        self._list_from, self.cursor, self.empty = _FIRST, "0-0", False

    def next_read(self, limit: int, size: int) -> Call:
        """Return the call that reads the next entries.

        The server marks entries that it returns as pending. If an answer is lost, the next call lists the pending entries.

        Args:
            limit: the largest number of entries.
            size: the number of bytes after which no further entry is read.
        """
        self._reads += 1
        if self._unanswered:
            self._list_from = _FIRST
        lease, stream = self._key("lease", self._consumer), self._key("stream")
        head: tuple[Argument, ...] = self.token, self._reads, self._consumer
        if self._list_from is not None:
            return Call(scripts.PENDING, [lease, stream], [*head, self._list_from, _BATCH])
        self._unanswered = True
        again = sorted(self._redeliver, key=order_of)[:limit]
        return Call(scripts.READ, [lease, stream, self._key("feeds")], [*head, limit, size, *again])

    def answered(self, answer: Sequence[Any]) -> Answer:
        """Decode the answer to the last call, and record its entries."""
        kind, *found = answer
        if kind == scripts.NOT_HELD:
            self.lost()
        if not self.held:  # released in the meantime: the entries are pending, and the next process reads them
            return Answer()
        if kind == scripts.REPEATED:
            return Answer(moved=True)
        self._unanswered = False
        return self._listed(*found) if kind == scripts.PENDING_FOUND else self._read(*found)

    def _listed(self, found: Sequence[bytes]) -> Answer:
        self._redeliver |= {entry.decode() for entry in found} - self.unsettled
        self._list_from = f"({found[-1].decode()}" if len(found) == _BATCH else None
        return Answer(moved=True)

    def _read(self, entries: Sequence[Sequence[bytes]], gone: Sequence[bytes], last: bytes, more: int) -> Answer:
        self.problem = None
        missing = [entry for each in gone if (entry := each.decode()) in self._redeliver]
        names = [entry.decode() for entry, *_ in entries]
        deliveries = [
            Delivery(message(*fields), self.number, Receipt(self, name))
            for name, (_, *fields) in zip(names, entries, strict=True)
        ]
        self._redeliver.difference_update(names, missing)
        self.unsettled.update(names)
        if last:
            self.cursor = last.decode()
        self.empty = not more and not self._redeliver
        return Answer(deliveries, moved=bool(more), read=True, missing=missing)

    def _key(self, *name: str) -> str:
        return self._keys.of(self.number, *name)


def order_of(entry: str) -> tuple[int, int]:
    """Return the sort key of an entry in its stream."""
    time, _, number = entry.partition("-")
    return int(time), int(number)


def message(id: bytes, topic: bytes, key: bytes, body: bytes) -> WireMessage:
    """Return a stored message. A key is stored with a prefix, so that an empty key differs from none."""
    marked = text_of(key)
    return WireMessage(text_of(id), text_of(topic), marked[1:] if marked else None, body)


def text_of(value: bytes) -> str:
    """Return a field as a text. Any client may store bytes that are not UTF-8; these are escaped."""
    return value.decode("utf-8", "backslashreplace")
