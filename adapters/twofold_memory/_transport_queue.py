"""The messages of a consumer that are not settled."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio

from twofold.ports import Delivery, Feed, ParkedDelivery, WireMessage, partition_of


@dataclass(order=True, slots=True)
class Entry:
    """A message in a partition of a queue. Entries are ordered by their numbers."""

    number: int
    message: WireMessage = field(compare=False)
    partition: int = field(compare=False)


class Member:
    """One block that consumes.

    Attributes:
        partitions: the partitions that only this block consumes.
        unsettled: the entries that were delivered to this block and are not settled, by number.
    """

    def __init__(self) -> None:
        self.partitions: list[int] = []
        self.unsettled: dict[int, Entry] = {}


class Queue:
    """The messages of a consumer, in partitions, each in order.

    Args:
        feed: the feed that the consumer declared.
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
        """The number of partitions."""
        return len(self._ready)

    def add(self, message: WireMessage) -> None:
        """Add a message to the partition of its key, or to every partition if it has no key."""
        if message.key is None:
            for partition in range(self.partitions):
                self._add(message, partition)
        else:
            self._add(message, partition_of(message.key, self.partitions))
        self._wake()

    def park(self, entry: Entry, reason: str) -> None:
        """Park an entry that was delivered."""
        self._parked.append((entry, reason))

    def parked(self) -> list[ParkedDelivery]:
        """Return the parked messages, oldest first."""
        return [ParkedDelivery(entry.message, reason) for entry, reason in self._parked]

    def parked_count(self) -> int:
        """Return the number of parked messages."""
        return len(self._parked)

    def unpark(self, ids: Sequence[str], *, again: bool) -> int:
        """Remove parked messages, and append them to their partitions if `again`. Return how many there were."""
        wanted = frozenset(ids)
        gone = [entry for entry, _ in self._parked if entry.message.id in wanted]
        self._parked = [each for each in self._parked if each[0].message.id not in wanted]
        for entry in gone if again else ():
            self._add(entry.message, entry.partition)
        self._wake()
        return len(gone)

    def join(self) -> Member:
        """Add a member, which gets the partitions that no other member has."""
        member = Member()
        self._members.append(member)
        self._assign()
        return member

    def leave(self, member: Member) -> None:
        """Remove a member. Its unsettled entries return to their places, and its partitions go to other members."""
        self._members.remove(member)
        for entry in member.unsettled.values():
            insort(self._ready[entry.partition], entry)
        member.unsettled.clear()
        self._assign()

    def take(self, member: Member, limit: int) -> list[Delivery]:
        """Deliver the next messages of a member's partitions to it, at most `limit`."""
        found: list[Delivery] = []
        for partition in member.partitions:
            ready = self._ready[partition]
            some = ready[: limit - len(found)]
            del ready[: len(some)]
            for entry in some:
                member.unsettled[entry.number] = entry
                found.append(Delivery(entry.message, partition, entry.number))
        member.partitions = [*member.partitions[1:], *member.partitions[:1]]  # the first one changes, for fairness
        return found

    def waiting(self) -> int:
        """Return how many messages are not settled."""
        return sum(map(len, self._ready)) + sum(len(member.unsettled) for member in self._members)

    async def changed(self) -> None:
        """Wait until there may be something to take."""
        await self._changed.wait()

    def settled(self) -> None:
        """Wake the members whose windows of unsettled messages were full."""
        self._wake()

    def _add(self, message: WireMessage, partition: int) -> None:
        self._number += 1
        self._ready[partition].append(Entry(self._number, message, partition))

    def _assign(self) -> None:
        """Assign each free partition to the member with the fewest."""
        assigned = {partition for member in self._members for partition in member.partitions}
        for partition in range(self.partitions):
            if partition not in assigned and self._members:
                min(self._members, key=lambda each: len(each.partitions)).partitions.append(partition)
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()
