"""Held and parked events: how they are kept, and what a transaction does to them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from twofold.ports import ParkedEvent, Position, StoredEvent

from .._commit.commit import Commit
from .._server.keys import AsideKeys
from .._server.ordered_bytes import END, after, text
from .._server.scripts import ASIDE
from .._server.server import Argument, Server

_NUMBERS: Final = 36
"""The digits behind the key in a member: of the number in the order of parking, and of the position."""


def encoded(parked: ParkedEvent) -> bytes:
    """Return an event as it is kept; the time of its next try is kept beside it."""
    event = parked.event
    kept = json.dumps(
        [
            *(str(event.id), event.name, event.schema, event.data, event.metadata, event.time.isoformat()),
            *(event.stream, event.version, int(event.position)),
            *(parked.key, parked.reason, parked.attempts, parked.time.isoformat()),
        ],
        ensure_ascii=False,
        separators=(",", ":"),
    )
    return kept.encode("utf-8", "backslashreplace")  # what JSON knows a half of a pair by, too


def again_text(again: datetime | None, key: str) -> bytes:
    """Return the time of the next try of an event, and its key; nothing when there is none."""
    return b"" if again is None else f"{again.isoformat()} {key}".encode("utf-8", "surrogatepass")


def decoded(kept: bytes, again: bytes | None) -> ParkedEvent:
    """Return an event that is kept."""
    _, length, rest = kept.split(b" ", 2)
    fields = json.loads(rest[int(length) :])
    name, schema, data, metadata, time, stream, version, position = fields[1:9]
    key, reason, attempts, failed = fields[9:]
    event = StoredEvent(
        UUID(fields[0]), name, schema, data, metadata, datetime.fromisoformat(time), stream, version, Position(position)
    )
    return ParkedEvent(event, key, reason, attempts, datetime.fromisoformat(failed), _time(again))


def _time(again: bytes | None) -> datetime | None:
    return None if again is None else datetime.fromisoformat(again.partition(b" ")[0].decode())


async def read_aside(
    server: Server, keys: AsideKeys, key: str | None, attempt: str, *, limit: int = -1
) -> list[ParkedEvent]:
    """Return the events that are set aside in the order of parking, of one key or of all."""
    low, high = b"-", b"+"
    if key is not None:
        low, high = b"[" + text(key), b"(" + (after(text(key)) or b"")
    found = await server.run(ASIDE, keys.all, [low, high, limit], attempt)
    found.sort(key=lambda each: each[1][:16])
    return [decoded(kept, again) for _, kept, again in found]


async def read_keys(server: Server, keys: AsideKeys, attempt: str) -> dict[str, int]:
    """Return the keys that have events set aside, each with how many."""
    counts: dict[str, int] = {}
    for member in await server.command(attempt, "ZRANGE", keys.order, 0, -1):
        key = member[: -_NUMBERS - len(END)].replace(b"\x00\xff", b"\x00").decode("utf-8", "surrogatepass")
        counts[key] = counts.get(key, 0) + 1
    return counts


async def read_retries(server: Server, keys: AsideKeys, attempt: str) -> dict[str, datetime]:
    """Return the keys that are held, each with the time of its next try."""
    found: dict[str, datetime] = {}
    for again in await server.command(attempt, "HVALS", keys.again):
        time, _, key = again.decode("utf-8", "surrogatepass").partition(" ")
        found[key] = datetime.fromisoformat(time)
    return found


@dataclass(slots=True)
class AsideBuffer:
    """What a transaction does to the events that a subscription has set aside, and what lies under it.

    Attributes:
        source: where those under it are; None when there are none.
        gone: the positions of those that it forgot.
        added: those that it set aside, unless one is there; by position.
        blamed: those that it wrote anew; by position.
        asked: the keys and times of next tries that it wrote; by position.
    """

    source: AsideKeys | None
    gone: set[int] = field(default_factory=set)
    added: dict[int, ParkedEvent] = field(default_factory=dict)
    blamed: dict[int, ParkedEvent] = field(default_factory=dict)
    asked: dict[int, tuple[str, datetime]] = field(default_factory=dict)

    def park(self, events: Sequence[ParkedEvent]) -> None:
        """Set events aside."""
        for parked in events:
            self.added.setdefault(int(parked.event.position), parked)

    async def unpark(self, server: Server, positions: Sequence[Position], attempt: str) -> int:
        """Forget events; return how many there were."""
        there = await self._there(server, {int(position) for position in positions}, attempt)
        for position in there:
            self.gone.add(position)
            self.added.pop(position, None)
            self.blamed.pop(position, None)
            self.asked.pop(position, None)
        return len(there)

    async def ask_retry(self, server: Server, key: str, at: datetime, attempt: str) -> bool:
        """Let the first event of a key be tried at a time."""
        if self.source is not None:
            for first in await read_aside(server, self.source, key, attempt, limit=len(self.gone) + 1):
                if int(first.event.position) not in self.gone:
                    self.asked[int(first.event.position)] = key, at
                    return True
        for position, parked in self.added.items():
            if parked.key == key:
                self.added[position] = parked._replace(again=at)
                return True
        return False

    async def blame(self, server: Server, parked: ParkedEvent, attempt: str) -> None:
        """Write an event anew that is set aside."""
        position = int(parked.event.position)
        if position in self.added:
            self.added[position] = parked
        elif await self._there(server, {position}, attempt):
            self.blamed[position] = parked
            self.asked.pop(position, None)

    def write(self, commit: Commit, keys: AsideKeys, number: str) -> None:
        """Add it to a commit."""
        for position in self.gone:
            commit.step("unpark", [keys.events, keys.order, keys.again], [position])
        for position, parked in self.added.items():
            arguments: list[Argument] = [
                position,
                text(parked.key),
                encoded(parked),
                again_text(parked.again, parked.key),
            ]
            commit.step("park", [keys.events, keys.order, keys.again, number], arguments)
        for position, parked in self.blamed.items():
            arguments = [position, encoded(parked), again_text(parked.again, parked.key)]
            commit.step("blame", [keys.events, keys.again], arguments)
        for position, (key, at) in self.asked.items():
            commit.step("ask", [keys.events, keys.again], [position, again_text(at, key)])

    async def _there(self, server: Server, positions: set[int], attempt: str) -> set[int]:
        there = {position for position in positions if position in self.added}
        unsure = sorted(positions - there - self.gone)
        if self.source is not None and unsure:
            found = await server.command(attempt, "HMGET", self.source.events, *unsure)
            there |= {position for position, kept in zip(unsure, found, strict=True) if kept is not None}
        return there
