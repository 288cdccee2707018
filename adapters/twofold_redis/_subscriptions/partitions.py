"""The partitions of a subscription in one transaction: where they stand, and where it moves them."""

from __future__ import annotations

from collections.abc import Sequence

from twofold.errors import CheckpointMoved
from twofold.ports import Checkpoint, Lease, Position

from .._commit.commit import Commit
from .._server.keys import Keys
from .._server.scripts import PARTITIONS
from .._server.server import Argument, Server


def place_text(checkpoint: Checkpoint) -> str:
    """Return a checkpoint as it is kept; equal ones are kept equally."""
    return f"{int(checkpoint.position)} {checkpoint.parked} {checkpoint.log}"


def checkpoint_of(place: bytes) -> Checkpoint:
    """Return the checkpoint that is kept."""
    position, parked, log = place.decode().split(" ", 2)
    return Checkpoint(Position(int(position)), log, int(parked))


class PartitionBuffer:
    """What a transaction does to the partitions of one subscription.

    It is checked at once against what is there when the subscription is first touched, and again by the commit.

    Args:
        subscription: the subscription.
        there: what was there: by number, place and generation.
    """

    def __init__(self, subscription: str, there: dict[int, tuple[str, int]]) -> None:
        self._subscription = subscription
        self._there = there
        self._now = dict(there)
        self._checked: dict[int, bool] = {}
        self._moved: dict[int, str] = {}
        self._divided = False

    def advance(self, expected: Checkpoint | None, to: Checkpoint, lease: Lease | None) -> None:
        """Move a partition; see `SubscriptionTransaction.advance`."""
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
        """Replace the partitions; see `SubscriptionTransaction.divide`."""
        held = {lease.partition: lease.generation for lease in leases}
        if {number: generation for number, (_, generation) in self._now.items()} != held:
            raise self._refusal("it has other partitions now, or a lease was lost")
        generation = max(held.values(), default=-1) + 1
        self._now = {number: (place_text(each), generation) for number, each in enumerate(checkpoints)}
        self._divided = True

    def write(self, commit: Commit, key: str) -> None:
        """Add it to a commit."""
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

    def _refusal(self, found: str) -> CheckpointMoved:
        return CheckpointMoved(
            f"cannot move the checkpoint of {self._subscription!r}: {found}. Another worker was here first; "
            "nothing was written."
        )


async def read_partitions(server: Server, keys: Keys, subscription: str) -> PartitionBuffer:
    """Return the partitions of a subscription, to be changed."""
    found = await server.run(PARTITIONS, [keys.partitions(subscription)], [], f"read the partitions of {subscription}")
    return PartitionBuffer(
        subscription, {int(number): (place.decode(), int(generation)) for number, place, generation, _ in found}
    )
