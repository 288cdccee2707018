"""Checkpoints: how far a subscription has processed a log, and the lease that allows a worker to move one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol
from uuid import UUID

from .._definitions.position import Position


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The progress of a subscription in a log.

    Attributes:
        position: every event up to and including this position was applied, filtered out, parked, or has a pending
            retry.
        log: the identity of the log that the position belongs to.
        parked: how many events have a pending retry, or are parked.
        event: the id of the event at the position. It proves that the log still has that event: a log that lost its last
            events assigns their positions again. None at `START`, and at a position that is not that of an event.
        contents: what the rows of a projection contain, as a text of at most 64 KiB; empty for others. It has the names of
            the views with their fields, and of the events that are applied to the rows. Every row has these fields.
            `divide` sets it, and `advance` keeps it: a worker whose release lacks a recorded field must not advance.
    """

    position: Position
    log: str
    parked: int = 0
    event: UUID | None = None
    contents: str = ""


class Lease(NamedTuple):
    """The right of one worker to process one partition of a subscription, until another worker claims the partition.

    Attributes:
        subscription: the subscription.
        partition: the number of the partition, from 0.
        generation: the fencing token: each claim of the partition increases it, and writes with an old lease are refused.
    """

    subscription: str
    partition: int
    generation: int


class CheckpointWriter(Protocol):
    """Move checkpoints in the transaction of the effects that they stand for: `ReadTransaction.checkpoints`."""

    async def advance(
        self, subscription: str, *, expected: Checkpoint | None, to: Checkpoint, lease: Lease | None = None
    ) -> None:
        """Replace a checkpoint.

        Args:
            subscription: the subscription.
            expected: the checkpoint that must be stored now; None when there must be none.
            to: the new checkpoint.
            lease: the lease of the partition. Without a lease the first partition is moved, regardless of its lease.

        Raises:
            CheckpointMoved: another checkpoint is stored, or the lease was lost. The transaction must be rolled back.
        """
        ...

    async def divide(self, subscription: str, checkpoints: Sequence[Checkpoint], *, leases: Sequence[Lease]) -> None:
        """Replace all partitions of a subscription by new ones, which no worker holds.

        Args:
            subscription: the subscription.
            checkpoints: one checkpoint for each new partition.
            leases: the leases of all existing partitions; empty when the subscription never ran here.

        Raises:
            CheckpointMoved: there are other partitions, or a lease was lost. The transaction must be rolled back.
        """
        ...
