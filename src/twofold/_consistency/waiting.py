"""Waiting until read models have what a session wrote."""

from __future__ import annotations

from collections.abc import Sequence

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
"""How long somebody who waits lets pass until the store is asked again, in seconds."""

_TOLD = 0.05
"""How long it is let pass, in seconds, where this process runs the projection and says itself how far it is."""


class Consistency:
    """Knows how far the projections of an application have come.

    What the subscriptions of this process report is remembered, so that most questions cost nothing; otherwise the read
    store is asked. No connection is held between two questions.

    Args:
        log: the event log.
        read: the store of the read models and their checkpoints.
    """

    def __init__(self, log: EventLog, read: ReadStore) -> None:
        self._log = log
        self._read = read
        self._seen: dict[str, Checkpoint] = {}
        self._told: set[str] = set()
        self.moved = Signal()
        """Sent when a projection of this process has moved on."""
        self.awaited = Signal()
        """Sent when somebody waits for a projection to move on."""

    def report(self, projection: str, checkpoint: Checkpoint | None) -> None:
        """Remember how far a projection has come, where that is known."""
        if checkpoint is None:
            self._told.discard(projection)
        else:
            self._told.add(projection)
            self._seen[projection] = checkpoint
        self.moved.send()

    async def lag(self, projection: str, written: Written) -> int:
        """Return how many events of the log lie between a projection and what was written, 0 when it has it all.

        Those of the written events that are held there, or follow one that is, count too: the checkpoint has passed them.

        Raises:
            ReadNotReady: one of the written events is parked there.
            ForeignLog: the projection was filled from another log.
        """
        position, held = await self._place(projection, written, ask=True)
        if position >= written.position:
            return held
        return held + (await self._log.count(after=position, upto=written.position) or 1)

    async def _place(self, projection: str, written: Written, *, ask: bool) -> tuple[Position, int]:
        """Return how far a projection is at least, and how many of the written events it holds.

        Where it is not known to be far enough the store is asked, if that is wanted.
        """
        checkpoint = self._seen.get(projection)
        if ask and (checkpoint is None or checkpoint.position < written.position):
            checkpoint = await self._read.subscriptions.checkpoint(projection)
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
        """Return when all these projections have passed what was written.

        Raises:
            ReadNotReady: they have not after so many seconds, or never will because an event is parked.
        """
        backoff = Backoff(_FIRST_POLL, _LAST_POLL)
        deadline = anyio.current_time() + seconds
        for projection in projections:
            seen, ask = self.moved.count, projection not in self._told
            while not await self._has_passed(projection, written, ask=ask):
                left = deadline - anyio.current_time()
                if left <= 0:
                    if lag := await self.lag(projection, written):
                        raise ReadNotReady(projection, lag=lag)
                    break
                self.awaited.send()
                told, delay = projection in self._told, backoff.next()
                await self.moved.wait(seen, min(_TOLD if told else delay, left))
                ask = not told or self.moved.count == seen
                seen = self.moved.count

    async def _has_passed(self, projection: str, written: Written, *, ask: bool) -> bool:
        position, held = await self._place(projection, written, ask=ask)
        return position >= written.position and not held

    async def worst(self, projections: Sequence[str], written: Written) -> int | None:
        """Return the most that any of these is behind, None when a written event is parked in one of them."""
        try:
            return max([await self.lag(projection, written) for projection in projections])
        except ReadNotReady:
            return None

    async def _held(self, projection: str, written: Written) -> int:
        """Return how many of the written events are dealt with later, and raise when one is only on request."""
        aside, wrote, origins = await self._read.parked.read(projection), set(written.events), set(written.origins)
        held = {each.key for each in aside if each.again is not None}
        mine = [
            each for each in aside if each.event.position in wrote or (origins and origin_of(each.event) in origins)
        ]
        if any(each.key not in held for each in mine):
            raise ReadNotReady(projection, lag=None, parked=True)
        return len(mine)
