"""Wait until read models have the writes of a session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import anyio

from .._background.backoff import Backoff
from .._background.signal import Signal
from .._definitions.position import START, Position
from .._encoding.metadata import origin_of
from ..errors import ForeignLog, ReadNotReady
from ..ports.checkpoints import Checkpoint
from ..ports.stores import ReadStore, WriteStore
from ..ports.subscription_store import Partition, Pause
from .known import KnownEvents, Point
from .lag import lag_in_events, lowest
from .token import Written, type_keys

_FIRST_POLL = 0.002
_LAST_POLL = 0.1
"""The first and the longest delay between two polls of the read store, in seconds."""

Runs: TypeAlias = tuple[str, str]
"""The runs of the servers of the write store and the read store."""

WaitFor: TypeAlias = Callable[[Sequence[str], Written, float], Awaitable[None]]
"""Waits for projections, as `Consistency.wait` does."""

NO_RUNS: Runs = ("", "")
"""The runs if they are not known."""

_NOT_REPORTED: tuple[None, Runs] = (None, NO_RUNS)

_REPORTED_POLL = 0.05
"""The delay between two polls, in seconds, if this process runs the projection and reports its checkpoints."""


async def runs_of(write: WriteStore, read: ReadStore) -> Runs:
    """Return the current runs of the servers of the store of the log and another store, which may be the same."""
    run = await write.run()
    return run, run if read is write else await read.run()


def repair(projection: str) -> str:
    """Return what to do about a projection whose checkpoint is lost."""
    return f"Call app.operations.realign({projection!r}), which rebuilds its rows from the log."


@dataclass(slots=True, eq=False)
class Consistency:
    """Knows the checkpoints of an application's projections, and waits for them.

    The subscriptions of this process report their checkpoints, so that most queries need not poll the read store. A
    connection is used only during a poll.

    A checkpoint is valid for one run of the server of each store. In another run, the read store may be older than the
    checkpoint, and the log may have lost its event.

    Attributes:
        write: the store of the event log.
        read: the store of the read models and their checkpoints.
        known: verifies that events are in the log.
        moved: sent when a projection of this process has a new checkpoint.
        awaited: sent when a query waits for a projection.
        applied: the wire names of the events that each projection applies; None for all events. Queries do not wait for
            other events, which change none of its rows.
    """

    write: WriteStore
    read: ReadStore
    known: KnownEvents
    moved: Signal = field(default_factory=Signal)
    awaited: Signal = field(default_factory=Signal)
    applied: dict[str, frozenset[str] | None] = field(default_factory=dict)
    _reports: dict[str, tuple[Checkpoint, Runs]] = field(default_factory=dict, init=False)
    _reported: set[str] = field(default_factory=set, init=False)
    _pauses: dict[str, Pause] = field(default_factory=dict, init=False)
    """The pauses of projections, as they were last read. Only a projection that was just read is known to be paused."""

    async def runs(self) -> Runs:
        """Return the current runs of the servers of the write store and the read store."""
        return await runs_of(self.write, self.read)

    def report(self, projection: str, checkpoint: Checkpoint | None, runs: Runs = NO_RUNS) -> None:
        """Remember the checkpoint of a projection; None when another process runs some of its partitions.

        Args:
            projection: the projection.
            checkpoint: its checkpoint. Its event was in the log.
            runs: the runs of the servers, as they were known before the events were read.
        """
        if checkpoint is None:
            self._reported.discard(projection)
        else:
            self._reported.add(projection)
            self._pauses.pop(projection, None)
            self._reports[projection] = checkpoint, runs
        self.moved.send()

    async def lag(self, projection: str, written: Written) -> int:
        """Return how many events a projection has to handle until it has the writes; 0 when it has all of them.

        A lag of more than 10,000 is a distance in positions. Writes that wait for a retry, or follow an event that does,
        count too, although the checkpoint has passed them.

        Raises:
            ReadNotReady: the projection has parked one of the writes.
            ForeignLog: the projection was filled from another log.
            EventsLost: the log has lost the event at the checkpoint of the projection.
        """
        upto = self._upto(projection, written)
        if upto == START:
            return 0
        position, retrying = await self._place(projection, written, upto, ask=True)
        if position >= upto:
            return retrying
        return retrying + (await lag_in_events(self.write.log, after=position, upto=upto) or 1)

    def _upto(self, projection: str, written: Written) -> Position:
        """Return the position of the last of these writes that a projection may apply; `START` if it applies none."""
        events = self.applied.get(projection)
        return written.upto(None if events is None else type_keys(events))

    async def _place(self, projection: str, written: Written, upto: Position, *, ask: bool) -> tuple[Position, int]:
        """Return a position that a projection has passed, and how many of the writes wait for a retry there.

        Args:
            projection: the projection.
            written: the writes.
            upto: the position of the last of them that the projection may apply.
            ask: poll the read store if the projection is not known to have passed the writes.
        """
        checkpoint, runs = self._reports.get(projection, _NOT_REPORTED)
        if checkpoint is not None and runs != await self.runs():
            self._reports.pop(projection, None)
            checkpoint = None
        if ask and (checkpoint is None or checkpoint.position < upto):
            checkpoint = await self._loaded(projection, written)
        if checkpoint is not None and checkpoint.log != written.log:
            raise ForeignLog(
                f"cannot read {projection!r} in this session: its rows come from log {checkpoint.log}, the session "
                f"wrote to {written.log}. Point read= and write= to stores that belong together, or rebuild the projection."
            )
        retrying = 0
        if checkpoint is not None and checkpoint.parked:
            retrying = await self._retrying(projection, written)
        return checkpoint.position if checkpoint is not None else START, retrying

    async def _loaded(self, projection: str, written: Written) -> Checkpoint | None:
        """Return the stored checkpoint of a projection. One that has passed the writes is verified.

        A database loses events together with the checkpoints that it stores, so that one store need not be verified.
        """
        partitions = await self.read.subscriptions.partitions(projection)
        self._note_pause(projection, partitions)
        checkpoint = lowest([each.checkpoint for each in partitions])
        if checkpoint is None or self.read is self.write or checkpoint.log != written.log:
            return checkpoint
        lost = await self.known.missing([Point(checkpoint.position, checkpoint.event)])
        if lost is not None:
            raise await self.known.lost(f"the projection {projection!r}", lost, repair(projection))
        return checkpoint

    def _note_pause(self, projection: str, partitions: Sequence[Partition]) -> None:
        pause = partitions[0].pause if partitions else None
        if pause is None:
            self._pauses.pop(projection, None)
        else:
            self._pauses[projection] = pause

    async def wait(self, projections: Sequence[str], written: Written, seconds: float) -> None:
        """Return when all these projections have the writes that they apply.

        Args:
            projections: the projections.
            written: the writes.
            seconds: the timeout, in seconds.

        Raises:
            ReadNotReady: a projection lacks a write at the timeout, or has parked it, or is paused.
            ForeignLog: a projection was filled from another log.
            EventsLost: the log has lost the event at the checkpoint of a projection.
        """
        backoff = Backoff(_FIRST_POLL, _LAST_POLL)
        deadline = anyio.current_time() + seconds
        for projection in projections:
            seen, ask = self.moved.count, projection not in self._reported
            while not await self._has_passed(projection, written, ask=ask):
                if ask and (pause := self._pauses.get(projection)):
                    lag = await self.lag(projection, written)
                    raise ReadNotReady(projection, lag=lag, paused=True, reason=pause.text)
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
        upto = self._upto(projection, written)
        if upto == START:
            return True
        position, retrying = await self._place(projection, written, upto, ask=ask)
        return position >= upto and not retrying

    async def worst(self, projections: Sequence[str], written: Written) -> int | None:
        """Return the largest lag of these projections, in events; None when one of them has parked a write."""
        try:
            return max([await self.lag(projection, written) for projection in projections])
        except ReadNotReady:
            return None

    async def _retrying(self, projection: str, written: Written) -> int:
        """Return how many of the writes wait for a retry.

        Raises:
            ReadNotReady: one of the writes is parked, so that only an operator retries it.
        """
        parked, wrote, origins = await self.read.parked.read(projection), set(written.events), set(written.origins)
        pending = {each.key for each in parked if each.again is not None}
        mine = [
            each for each in parked if each.event.position in wrote or (origins and origin_of(each.event) in origins)
        ]
        blocked = next((each.key for each in mine if each.key not in pending), None)
        if blocked is not None:
            reason = next(each.reason for each in parked if each.key == blocked)  # of the first event of the key
            raise ReadNotReady(projection, lag=None, parked=True, reason=reason)
        return len(mine)
