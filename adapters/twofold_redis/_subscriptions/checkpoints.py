"""The checkpoints of subscriptions in one transaction: as they were read, and as it moves them."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote, unquote
from uuid import UUID

from twofold.errors import CheckpointMoved, TwofoldError
from twofold.ports import Checkpoint, Lease, Position

from .._commit.commit import Commit
from .._commit.state import TransactionState
from .._server.keys import Keys
from .._server.scripts import PARTITIONS
from .._server.server import Argument, Server


def place_text(checkpoint: Checkpoint) -> str:
    """Return the stored form of a checkpoint; equal checkpoints have equal texts."""
    event = "-" if checkpoint.event is None else checkpoint.event.hex
    contents = quote(checkpoint.contents, safe="") or "-"
    return f"{int(checkpoint.position)} {checkpoint.parked} {event} {contents} {checkpoint.log}"


def checkpoint_of(place: bytes) -> Checkpoint:
    """Return the stored checkpoint."""
    position, parked, event, contents, log = place.decode().split(" ", 4)
    return Checkpoint(
        Position(int(position)),
        log,
        int(parked),
        None if event == "-" else UUID(event),
        "" if contents == "-" else unquote(contents),
    )


class PartitionBuffer:
    """The changes of a transaction to the partitions of one subscription.

    Each change is checked immediately against the partitions that the transaction has read first, and again by the
    commit.

    Args:
        subscription: the subscription.
        there: position and generation of the partitions that were read, by number.
        state: the state of the transaction, which a refused change breaks.
    """

    def __init__(self, subscription: str, there: dict[int, tuple[str, int]], state: TransactionState) -> None:
        self._state = state
        self._subscription = subscription
        self._there = there
        self._now = dict(there)
        self._checked: dict[int, bool] = {}
        self._moved: dict[int, str] = {}
        self._divided = False

    def advance(self, expected: Checkpoint | None, to: Checkpoint, lease: Lease | None) -> None:
        """Move a partition; see `CheckpointWriter.advance`."""
        number = lease.partition if lease else 0
        place, generation = self._now.get(number, ("", None))
        wanted = "" if expected is None else place_text(expected)
        if place != wanted:
            raise self._refusal(f"expected {wanted or 'nothing'}, found {place or 'nothing'}")
        if lease is not None and generation != lease.generation:
            raise self._refusal(f"the lease of partition {number} was lost")
        if not self._divided:
            self._checked[number] = self._checked.get(number, False) or lease is not None
        self._moved[number] = place_text(to)
        self._now[number] = self._moved[number], generation or 0

    def divide(self, checkpoints: Sequence[Checkpoint], leases: Sequence[Lease]) -> None:
        """Replace the partitions; see `CheckpointWriter.divide`."""
        held = {lease.partition: lease.generation for lease in leases}
        if {number: generation for number, (_, generation) in self._now.items()} != held:
            raise self._refusal("its partitions have changed, or a lease was lost")
        generation = max(held.values(), default=-1) + 1
        self._now = {number: (place_text(each), generation) for number, each in enumerate(checkpoints)}
        self._divided = True

    def write(self, commit: Commit, key: str) -> None:
        """Add the changes to a commit."""
        for number, leased in self._checked.items():
            place, generation = self._there.get(number, ("", None))
            commit.check_place(self._subscription, key, number, place, str(generation) if leased else "")
        if not self._divided:
            for number, place in self._moved.items():
                commit.step("place", [key], [number, place])
            return
        commit.check_partitions(
            self._subscription, key, {number: generation for number, (_, generation) in self._there.items()}
        )
        generation = next((generation for _, generation in self._now.values()), 0)
        places: list[Argument] = [self._now[number][0] for number in sorted(self._now)]
        commit.step("divide", [key], [generation, len(places), *places])

    def _refusal(self, found: str) -> TwofoldError:
        return self._state.broken(
            CheckpointMoved(
                f"cannot advance the checkpoint of {self._subscription!r}: {found}. Another worker advanced it "
                "first. Nothing was written."
            )
        )


class RedisCheckpoints:
    """A `CheckpointWriter`.

    Args:
        server: runs scripts.
        keys: names the keys.
        state: the state of the transaction.

    Attributes:
        log: the log of the checkpoints that the transaction writes; empty when it writes none.
    """

    __slots__ = ("_buffers", "_keys", "_server", "_state", "log")

    def __init__(self, server: Server, keys: Keys, state: TransactionState) -> None:
        self._server = server
        self._keys = keys
        self._state = state
        self._buffers: dict[str, PartitionBuffer] = {}
        self.log = ""

    async def advance(
        self, subscription: str, *, expected: Checkpoint | None, to: Checkpoint, lease: Lease | None = None
    ) -> None:
        """Replace a checkpoint."""
        (await self._of(subscription)).advance(expected, to, lease)
        self.log = to.log

    async def divide(self, subscription: str, checkpoints: Sequence[Checkpoint], *, leases: Sequence[Lease]) -> None:
        """Replace all partitions of a subscription."""
        (await self._of(subscription)).divide(checkpoints, leases)

    def write(self, commit: Commit) -> None:
        """Add the changes to a commit."""
        for subscription, partitions in self._buffers.items():
            partitions.write(commit, self._keys.partitions(subscription))

    async def _of(self, subscription: str) -> PartitionBuffer:
        self._state.check_writable()
        if subscription not in self._buffers:
            attempt = f"read the partitions of {subscription}"
            keys = [self._keys.partitions(subscription), self._keys.pause(subscription)]
            read = self._server.run(PARTITIONS, keys, [], attempt)
            found = await self._state.guard(read)
            there = {int(number): (place.decode(), int(generation)) for number, place, generation, *_ in found}
            self._buffers[subscription] = PartitionBuffer(subscription, there, self._state)
        return self._buffers[subscription]
