"""What a consumer has been sent and has not settled."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio

from twofold.ports import Delivery, Feed, ParkedDelivery, WireMessage, partition_of


@dataclass(order=True, slots=True)
class Entry:
    """A message in a part of a queue; those of a part are in the order of their numbers."""

    number: int
    message: WireMessage = field(compare=False)
    partition: int = field(compare=False)


class Member:
    """One block that receives.

    Attributes:
        parts: the parts that only it receives.
        open: what it was given and has not settled, by number.
    """

    def __init__(self) -> None:
        self.parts: list[int] = []
        self.open: dict[int, Entry] = {}


class Queue:
    """The messages of a consumer, in parts, each in order.

    Args:
        feed: what the consumer declared.
    """

    def __init__(self, feed: Feed) -> None:
        self.topics = frozenset(feed.topics)
        self._parked: list[tuple[Entry, str]] = []
        self._ready: list[list[Entry]] = [[] for _ in range(feed.partitions)]
        self._members: list[Member] = []
        self._number = 0
        self._changed = anyio.Event()

    @property
    def partitions(self) -> int:
        """The number of its parts."""
        return len(self._ready)

    def add(self, message: WireMessage) -> None:
        """Keep a message, in the part of its key or in every part."""
        own = range(self.partitions) if message.key is None else [partition_of(message.key, self.partitions)]
        for part in own:
            self._add(message, part)
        self._wake()

    def park(self, entry: Entry, reason: str) -> None:
        """Set an entry aside that was given to a member."""
        self._parked.append((entry, reason))

    def parked(self) -> list[ParkedDelivery]:
        """Return what is set aside, oldest first."""
        return [ParkedDelivery(entry.message, reason) for entry, reason in self._parked]

    def unpark(self, ids: Sequence[str], *, again: bool) -> int:
        """Take out what is set aside, and put it behind the others of its part where that is wanted."""
        gone = [entry for entry, _ in self._parked if entry.message.id in ids]
        self._parked = [each for each in self._parked if each[0] not in gone]
        for entry in gone if again else ():
            self._add(entry.message, entry.partition)
        self._wake()
        return len(gone)

    def _add(self, message: WireMessage, part: int) -> None:
        self._number += 1
        self._ready[part].append(Entry(self._number, message, part))

    def join(self) -> Member:
        """Let one more receive: the parts that nobody has."""
        member = Member()
        self._members.append(member)
        self._share()
        return member

    def leave(self, member: Member) -> None:
        """Give back what a member has not settled, and its parts to the others."""
        self._members.remove(member)
        for entry in member.open.values():
            insort(self._ready[entry.partition], entry)
        member.open.clear()
        self._share()

    def take(self, member: Member, limit: int) -> list[Delivery]:
        """Give a member the next messages of its parts, at most so many."""
        found: list[Delivery] = []
        for part in member.parts:
            ready = self._ready[part]
            some = ready[: limit - len(found)]
            del ready[: len(some)]
            for entry in some:
                member.open[entry.number] = entry
                found.append(Delivery(entry.message, part, entry.number))
        member.parts = [*member.parts[1:], *member.parts[:1]]  # none of them is always last
        return found

    def waiting(self) -> int:
        """Return how many messages are not settled."""
        return sum(map(len, self._ready)) + sum(len(member.open) for member in self._members)

    async def moved(self) -> None:
        """Wait until there may be something to take."""
        await self._changed.wait()

    def _share(self) -> None:
        held = {part for member in self._members for part in member.parts}
        for part in range(self.partitions):
            if part not in held and self._members:
                min(self._members, key=lambda each: len(each.parts)).parts.append(part)
        self._wake()

    def settled(self) -> None:
        """Let those go on who had too many open messages."""
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()
