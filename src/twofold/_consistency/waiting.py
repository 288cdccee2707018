"""Wait until read models have the writes of a session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio

from .._background.backoff import Backoff
from .._background.signal import Signal
from .._definitions.position import START, Position
from .._encoding.metadata import origin_of
from ..errors import ForeignLog, ReadNotReady
from ..ports.checkpoints import Checkpoint
from ..ports.event_log import EventLog
from ..ports.stores import ReadStore
from .token import Written

_FIRST_POLL = 0.002
_LAST_POLL = 0.1
"""The first and the longest delay between two polls of the read store, in seconds."""

_REPORTED_POLL = 0.05
"""The delay between two polls, in seconds, if this process runs the projection and reports its checkpoints."""


@dataclass(slots=True, eq=False)
class Consistency:
    """Knows the checkpoints of an application's projections, and waits for them.

    The subscriptions of this process report their checkpoints, so that most queries need not poll the read store. No
    connection is held between two polls.

    Attributes:
        log: the event log.
        read: the store of the read models and their checkpoints.
        moved: sent when a projection of this process has a new checkpoint.
        awaited: sent when a query waits for a projection.
    """

    log: EventLog
    read: ReadStore
    moved: Signal = field(default_factory=Signal)
    awaited: Signal = field(default_factory=Signal)
    _checkpoints: dict[str, Checkpoint] = field(default_factory=dict, init=False)
    _reported: set[str] = field(default_factory=set, init=False)

    def report(self, projection: str, checkpoint: Checkpoint | None) -> None:
        """Remember the checkpoint of a projection; None when another process runs some of its partitions."""
        if checkpoint is None:
            self._reported.discard(projection)
        else:
            self._reported.add(projection)
            self._checkpoints[projection] = checkpoint
        self.moved.send()

    async def lag(self, projection: str, written: Written) -> int:
        """Return how many events a projection has to handle until it has the writes; 0 when it has all of them.

        Writes that wait for a retry, or follow an event that does, count too, although the checkpoint has passed them.

        Raises:
            ReadNotReady: the projection has parked one of the writes.
            ForeignLog: the projection was filled from another log.
        """
        position, held = await self._place(projection, written, ask=True)
        if position >= written.position:
            return held
        return held + (await self.log.count(after=position, upto=written.position) or 1)

    async def _place(self, projection: str, written: Written, *, ask: bool) -> tuple[Position, int]:
        """Return a position that a projection has passed, and how many of the writes wait for a retry there.

        Args:
            projection: the projection.
            written: the writes.
            ask: poll the read store if the projection is not known to have passed the writes.
        """
        checkpoint = self._checkpoints.get(projection)
        if ask and (checkpoint is None or checkpoint.position < written.position):
            checkpoint = await self.read.subscriptions.checkpoint(projection)
        if checkpoint is not None and checkpoint.log != written.log:
            raise ForeignLog(
                f"cannot read {projection!r} in this session: its rows come from log {checkpoint.log}, the session "
                f"wrote to {written.log}. Point read= and write= to stores that belong together, or rebuild the projection."
            )
        held = 0
        if checkpoint is not None and checkpoint.parked:
            held = await self._held(projection, written)
        return checkpoint.position if checkpoint is not None else START, held

    async def wait(self, projections: Sequence[str], written: Written, seconds: float) -> None:
        """Return when all these projections have the writes.

        Args:
            projections: the projections.
            written: the writes.
            seconds: the timeout, in seconds.

        Raises:
            ReadNotReady: a projection lacks a write at the timeout, or has parked it.
            ForeignLog: a projection was filled from another log.
        """
        backoff = Backoff(_FIRST_POLL, _LAST_POLL)
        deadline = anyio.current_time() + seconds
        for projection in projections:
            seen, ask = self.moved.count, projection not in self._reported
            while not await self._has_passed(projection, written, ask=ask):
                left = deadline - anyio.current_time()
                if left <= 0:
                    if lag := await self.lag(projection, written):
                        raise ReadNotReady(projection, lag=lag)
                    break
                self.awaited.send()
                reported, delay = projection in self._reported, backoff.next()
                await self.moved.wait(seen, min(_REPORTED_POLL if reported else delay, left))
                ask = not reported or self.moved.count == seen
                seen = self.moved.count

    async def _has_passed(self, projection: str, written: Written, *, ask: bool) -> bool:
        position, held = await self._place(projection, written, ask=ask)
        return position >= written.position and not held

    async def worst(self, projections: Sequence[str], written: Written) -> int | None:
        """Return the largest lag of these projections, in events; None when one of them has parked a write."""
        try:
            return max([await self.lag(projection, written) for projection in projections])
        except ReadNotReady:
            return None

    async def _held(self, projection: str, written: Written) -> int:
        """Return how many of the writes wait for a retry.

        Raises:
            ReadNotReady: one of the writes is parked, so that only an operator retries it.
        """
        aside, wrote, origins = await self.read.parked.read(projection), set(written.events), set(written.origins)
        held = {each.key for each in aside if each.again is not None}
        mine = [
            each for each in aside if each.event.position in wrote or (origins and origin_of(each.event) in origins)
        ]
        if any(each.key not in held for each in mine):
            raise ReadNotReady(projection, lag=None, parked=True)
        return len(mine)
