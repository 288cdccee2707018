"""Checkpoints of subscriptions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from twofold.errors import CheckpointMoved
from twofold.ports import Checkpoint, Lease

from ._overlay import Overlay
from ._step import Step
from ._tables import GONE, PARTITIONS


class StoredPartition(NamedTuple):
    """A stored partition; `until` is the end of its lease, by the clock of this process."""

    checkpoint: Checkpoint
    generation: int = 0
    owner: str | None = None
    until: float = 0.0


def partitions_of(overlay: Overlay, subscription: str) -> dict[int, StoredPartition]:
    """Return the partitions of a subscription by number, in order."""
    found = {number: stored for (name, number), stored in overlay.items(PARTITIONS) if name == subscription}
    return dict(sorted(found.items()))


class InMemoryCheckpoints:
    """A `CheckpointWriter`."""

    __slots__ = ("_step",)

    def __init__(self, step: Step) -> None:
        self._step = step

    async def advance(
        self, subscription: str, *, expected: Checkpoint | None, to: Checkpoint, lease: Lease | None = None
    ) -> None:
        """Replace a checkpoint."""
        overlay = await self._step.writing()
        key = subscription, lease.partition if lease else 0
        stored: StoredPartition | None = overlay.get(PARTITIONS, key)
        found = stored.checkpoint if stored else None
        if found != expected or (lease and (stored is None or stored.generation != lease.generation)):
            raise self._step.broken(
                CheckpointMoved(
                    f"cannot advance the checkpoint of {subscription!r}: expected {expected}, found {found}, or its lease "
                    "was lost."
                )
            )
        overlay.put(PARTITIONS, key, stored._replace(checkpoint=to) if stored else StoredPartition(to))

    async def divide(self, subscription: str, checkpoints: Sequence[Checkpoint], *, leases: Sequence[Lease]) -> None:
        """Replace all partitions of a subscription."""
        overlay = await self._step.writing()
        stored = partitions_of(overlay, subscription)
        held = {each.partition: each.generation for each in leases}
        if {number: each.generation for number, each in stored.items()} != held:
            raise self._step.broken(
                CheckpointMoved(f"cannot divide {subscription!r}: its partitions have changed, or a lease was lost.")
            )
        generation = max(held.values(), default=-1) + 1
        for number in stored:
            overlay.put(PARTITIONS, (subscription, number), GONE)
        for number, checkpoint in enumerate(checkpoints):
            overlay.put(PARTITIONS, (subscription, number), StoredPartition(checkpoint, generation))
