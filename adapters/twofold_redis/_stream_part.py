"""A stream that a process holds: what it has handed out of it, and what comes next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from twofold.ports import Delivery, WireMessage

from . import _stream_scripts as scripts
from ._stream_server import Call, Server, octets, text

_PAGE = 1_000
"""How many pending entries are asked for in one step."""


class Receipt(NamedTuple):
    """A delivery of a part: settled there, as long as it is held."""

    part: Part
    entry: str


class Answer(NamedTuple):
    """What became of a look at a stream."""

    deliveries: Sequence[Delivery]
    moved: bool
    """Whether there may be more at once."""
    missing: Sequence[str] = ()
    """Entries that were to come again and that the stream does not have any more."""


class Part:
    """One stream, from its claim until its lease is lost or given back. All that is pending comes first, in order.

    Args:
        server: runs the scripts.
        consumer: whose group it is.
        number: which stream.
        token: marks the claim; nobody else's is the same.
    """

    def __init__(self, server: Server, consumer: str, number: int, token: str) -> None:
        self.number = number
        self.token = token
        self.held = True
        """False once another process may have it. Nothing is settled here any more."""
        self.draining = False
        """Whether it is given to another process as soon as nothing of it is open."""
        self.quiet = False
        """Whether there was nothing in it when it was last looked at."""
        self.cursor = "0-0"
        """The last entry of which it is known."""
        self.open: dict[str, int] = {}
        """What was handed out, with the attempts."""
        self._again: dict[str, int] = {}
        self._behind: str | None = "-"
        self._reads = 0
        self._server = server
        self._consumer = consumer
        self._asked: list[str] = []

    def lost(self) -> None:
        """Forget everything: another process may have it."""
        self.held = False
        self.open.clear()
        self._again.clear()

    def begin_again(self) -> None:
        """Forget what was known of a stream or group that is no more."""
        self.open.clear()
        self._again.clear()
        self._behind, self.cursor, self.quiet = "-", "0-0", False

    def refuse(self, entry: str) -> None:
        """Let an open entry come again, before all that is newer."""
        attempts = self.open.pop(entry, None)
        if attempts is not None:
            self._again[entry] = attempts
            self.quiet = False

    def look(self, limit: int) -> Call:
        """Return the call that asks for the next entries. Unless its answer is understood, the next asks what is pending."""
        self._reads += 1
        lease, stream = self._key("lease", self._consumer), self._key("stream")
        begin = self.token, self._reads, self._consumer
        if self._behind is not None:
            self._asked = []
            return Call(scripts.PENDING, [lease, stream], [*begin, self._behind, _PAGE])
        self._behind = "-"
        self._asked = sorted(self._again, key=place)[:limit]
        return Call(scripts.READ, [lease, stream, self._key("feeds")], [*begin, limit, *self._asked])

    def understand(self, answer: Any) -> Answer:
        """Take note of what the server says to the last look."""
        status = answer[0]
        if status == scripts.NOT_HELD:
            self.lost()
            return Answer((), moved=False)
        if not self.held:  # given back meanwhile; what was read is pending, and the next one's
            return Answer((), moved=False)
        if status == scripts.REPEATED:
            return Answer((), moved=True)
        if len(answer) == 2:
            return self._pending([(text(entry), int(attempts)) for entry, attempts in answer[1]])
        return self._read(*answer[1:])

    def _pending(self, found: list[tuple[str, int]]) -> Answer:
        for entry, attempts in found:
            if entry not in self.open and entry not in self._again:
                self._again[entry] = attempts
        self._behind = f"({found[-1][0]}" if len(found) == _PAGE else None
        return Answer((), moved=True)

    def _read(self, entries: Any, last: Any, count: int) -> Answer:
        self._behind = None
        deliveries: list[Delivery] = []
        for entry, sent, topic, key, body in entries:
            name, marked = text(entry), text(key)
            attempts = self._again.pop(name, 0) + 1
            self.open[name] = attempts
            message = WireMessage(text(sent), text(topic), marked[1:] if marked else None, octets(body))
            deliveries.append(Delivery(message, self.number, attempts, Receipt(self, name)))
        if last:
            self.cursor = text(last)
        missing = [entry for entry in self._asked if self._again.pop(entry, None) is not None]
        self.quiet = not count and not self._again
        return Answer(deliveries, moved=bool(count), missing=missing)

    def _key(self, *name: str) -> str:
        return self._server.key(self.number, *name)


def place(entry: str) -> tuple[int, int]:
    """Return where an entry stands in its stream."""
    time, _, number = entry.partition("-")
    return int(time), int(number)
