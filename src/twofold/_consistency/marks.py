"""The state of read models, by which live queries notice changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import anyio

from .._definitions.position import START, Position
from ..ports.checkpoints import Checkpoint
from .waiting import Consistency, Runs

_SHARED: float = 0.02
"""Seconds for which a mark serves all live queries of this process."""


class Mark(NamedTuple):
    """The state of the read models of a query. Two equal marks mean that no row has changed in between.

    Attributes:
        position: a position that all of the read models have passed.
        head: the position of the last event, for a query whose rows every commit may change; otherwise `START`.
        partitions: the checkpoint and the generation of each partition. A retry of a parked event changes the checkpoint,
            and a rebuild changes the generation.
        runs: the runs of the stores' servers.
    """

    position: Position
    head: Position
    partitions: tuple[tuple[Checkpoint, int], ...]
    runs: Runs


@dataclass(slots=True, eq=False)
class Marks:
    """Reads marks, at most once in a short time for all live queries that read the same projections.

    A mark may be older than the time of the call, and a query that is executed after the call is never older than the mark.

    Attributes:
        consistency: knows the stores.
    """

    consistency: Consistency
    _read: dict[tuple[frozenset[str], bool], tuple[float, Mark]] = field(default_factory=dict, init=False)
    _locks: dict[tuple[frozenset[str], bool], anyio.Lock] = field(default_factory=dict, init=False)

    async def read(self, projections: frozenset[str], *, head: bool) -> Mark:
        """Return the mark of some projections.

        Args:
            projections: the asynchronous projections that the query reads.
            head: whether the query reads rows or events that every commit may change.
        """
        key = projections, head
        async with self._locks.setdefault(key, anyio.Lock()):
            now, (at, mark) = anyio.current_time(), self._read.get(key, (0.0, None))
            if mark is None or now - at >= _SHARED:
                mark = await self._current(projections, head)
                self._read[key] = now, mark
        return mark

    async def _current(self, projections: frozenset[str], head: bool) -> Mark:
        stores = self.consistency
        runs, last = await stores.runs(), await stores.write.log.head() if head else START
        partitions = [
            (each.checkpoint, each.generation)
            for projection in sorted(projections)
            for each in await stores.read.subscriptions.partitions(projection)
        ]
        passed = min([checkpoint.position for checkpoint, _ in partitions], default=last)
        return Mark(passed, last, tuple(partitions), runs)
