"""Changes to parked events and to events with a pending retry, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from twofold.ports import ParkedEvent, Position

from .._commit.commit import Commit
from .._commit.state import TransactionState
from .._server.keys import Keys, ParkedKeys
from .._server.ordered_bytes import text
from .._server.server import Argument, Server
from .parked_json import again_text, encoded
from .parked_reader import read_parked


@dataclass(slots=True)
class ParkedBuffer:
    """The changes of a transaction to the parked events of a subscription.

    Attributes:
        source: the keys of the stored events below the changes; None when there are none.
        gone: the positions of deleted events.
        added: new events by position; one that is stored already does not change.
        updated: changed events by position.
        retries: keys and times of next retries, by position.
    """

    source: ParkedKeys | None
    gone: set[int] = field(default_factory=set)
    added: dict[int, ParkedEvent] = field(default_factory=dict)
    updated: dict[int, ParkedEvent] = field(default_factory=dict)
    retries: dict[int, tuple[str, datetime]] = field(default_factory=dict)

    def add(self, events: Sequence[ParkedEvent]) -> None:
        """Add events."""
        for parked in events:
            self.added.setdefault(int(parked.event.position), parked)

    async def remove(self, server: Server, positions: Sequence[Position], attempt: str) -> int:
        """Delete events; return how many were deleted."""
        there = await self._there(server, {int(position) for position in positions}, attempt)
        for position in there:
            self.gone.add(position)
            self.added.pop(position, None)
            self.updated.pop(position, None)
            self.retries.pop(position, None)
        return len(there)

    async def retry(self, server: Server, key: str, at: datetime, attempt: str) -> bool:
        """Set the next retry of the first event of a key."""
        if self.source is not None:
            for first in await read_parked(server, self.source, attempt, key=key, limit=len(self.gone) + 1) or ():
                if int(first.event.position) not in self.gone:
                    self.retries[int(first.event.position)] = key, at
                    return True
        for position, parked in self.added.items():
            if parked.key == key:
                self.added[position] = parked._replace(again=at)
                return True
        return False

    async def update(self, server: Server, parked: ParkedEvent, attempt: str) -> None:
        """Replace an event."""
        position = int(parked.event.position)
        if position in self.added:
            self.added[position] = parked
        elif await self._there(server, {position}, attempt):
            self.updated[position] = parked
            self.retries.pop(position, None)

    def write(self, commit: Commit, keys: ParkedKeys, number: str) -> None:
        """Add the changes to a commit."""
        for position in self.gone:
            commit.step("unpark", [*keys.all], [position])
        for position, parked in self.added.items():
            arguments: list[Argument] = [
                position,
                text(parked.key),
                encoded(parked),
                again_text(parked.again, parked.key),
            ]
            commit.step("park", [*keys.all, number], arguments)
        for position, parked in self.updated.items():
            arguments = [position, encoded(parked), again_text(parked.again, parked.key)]
            commit.step("blame", [keys.events, keys.again], arguments)
        for position, (key, at) in self.retries.items():
            commit.step("ask", [keys.events, keys.again], [position, again_text(at, key)])

    async def _there(self, server: Server, positions: set[int], attempt: str) -> set[int]:
        there = {position for position in positions if position in self.added}
        unsure = sorted(positions - there - self.gone)
        if self.source is not None and unsure:
            found = await server.command(attempt, "HMGET", self.source.events, *unsure)
            there |= {position for position, stored in zip(unsure, found, strict=True) if stored is not None}
        return there


class RedisParkedWriter:
    """A `ParkedEventWriter`.

    Args:
        server: runs scripts.
        keys: names the keys.
        state: the state of the transaction.
    """

    __slots__ = ("_buffers", "_keys", "_server", "_state")

    def __init__(self, server: Server, keys: Keys, state: TransactionState) -> None:
        self._server = server
        self._keys = keys
        self._state = state
        self._buffers: dict[str, ParkedBuffer] = {}

    async def add(self, subscription: str, events: Sequence[ParkedEvent]) -> None:
        """Add events that are not here yet."""
        self._of(subscription).add(events)

    async def remove(self, subscription: str, positions: Sequence[Position]) -> int:
        """Delete events by their position; return how many were deleted."""
        attempt = f"delete parked events of {subscription}"
        return await self._state.guard(self._of(subscription).remove(self._server, positions, attempt))

    async def update(self, subscription: str, parked: ParkedEvent) -> None:
        """Replace reason, attempts, time, next retry and edit of an event, and its data and schema."""
        attempt = f"update a parked event of {subscription}"
        await self._state.guard(self._of(subscription).update(self._server, parked, attempt))

    async def retry(self, subscription: str, key: str, *, at: datetime) -> bool:
        """Set the next retry of the first event of a key."""
        attempt = f"retry parked events of {subscription}"
        return await self._state.guard(self._of(subscription).retry(self._server, key, at, attempt))

    async def adopt(self, subscription: str, *, of: str) -> None:
        """Replace all events of a subscription by those of another subscription."""
        self._buffers[subscription] = self._of(of)
        self._buffers[of] = ParkedBuffer(None)

    def write(self, commit: Commit) -> None:
        """Add the changes to a commit: move stored events first, then change them."""
        for subscription, buffer in self._buffers.items():
            here = self._keys.parked(subscription)
            if buffer.source is not None and buffer.source != here:
                for old, new in zip(buffer.source.all, here.all, strict=True):
                    commit.step("rename", [old, new], [])
        for subscription, buffer in self._buffers.items():
            here = self._keys.parked(subscription)
            if buffer.source is None:
                for key in here.all:
                    commit.step("drop", [key], [])
            buffer.write(commit, here, self._keys.number)

    def _of(self, subscription: str) -> ParkedBuffer:
        self._state.check_writable()
        if subscription not in self._buffers:
            self._buffers[subscription] = ParkedBuffer(self._keys.parked(subscription))
        return self._buffers[subscription]
