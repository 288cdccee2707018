"""One atomic step."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar

import anyio

from twofold import Aggregate, StateCodec, View
from twofold.errors import (
    CheckpointMoved,
    ConcurrencyConflict,
    DuplicateEvent,
    ReadOnlyUnitOfWork,
    TwofoldError,
    UnitOfWorkClosed,
    UnitOfWorkDoomed,
)
from twofold.ports import (
    Checkpoint,
    Expected,
    ExpectedVersion,
    KeyRecord,
    Lease,
    NewEvent,
    ParkedEvent,
    Position,
    ScheduledCommand,
    Snapshot,
    StoredEvent,
)

from ._records import answer_key, claim_key, claim_message
from ._rows import InMemoryRows, rows_of
from ._schedule import change, unschedule
from ._state import InMemoryState
from ._subscriptions import adopt_parked, advance, ask_retry, divide, unpark
from ._tables import GONE, KEPT, PARKED, SCHEDULE, SNAPSHOTS, Overlay, Tables

V = TypeVar("V", bound=View)


class InMemoryTransaction:
    """Keeps its changes to itself until it commits. From its first write to its end it is the only one that writes.

    Args:
        tables: the committed data.
        turn: held by the transaction that writes.
        next_position: gives the next position of the log.
        codec_of: gives the codec of an aggregate's state.
        read_only: refuse to write, and see one state throughout.
    """

    def __init__(
        self,
        tables: Tables,
        turn: anyio.Semaphore,
        next_position: Callable[[], Position],
        codec_of: Callable[[type[Any]], StateCodec[Any]],
        *,
        read_only: bool,
    ) -> None:
        self._tables = tables
        self._turn = turn
        self._next_position = next_position
        self._codec_of = codec_of
        self._read_only = read_only
        self._overlay = Overlay(tables, frozen=read_only)
        self._writes = False
        self._broken: TwofoldError | None = None
        self._ended = False
        tables.readers += read_only

    async def append(
        self, stream: str, events: Sequence[NewEvent], *, expected: ExpectedVersion
    ) -> Sequence[StoredEvent]:
        """Append events to a stream."""
        await self._writing()
        version = self._overlay.stream_version(stream)
        if not _as_expected(version, expected):
            raise self._break(ConcurrencyConflict(stream, expected=expected, actual=version))
        stored: list[StoredEvent] = []
        ids = {event.id for event in events}
        known = [event.id for event in events if self._overlay.knows(event.id)]
        if known or len(ids) < len(events):
            raise self._break(DuplicateEvent(f"cannot append to {stream}: an event id is in the log already: {known}."))
        for event in events:
            version += 1
            stored.append(StoredEvent(*event, stream, version, self._next_position()))
        self._overlay.appended.extend(stored)
        return stored

    async def read(self, stream: str, *, after: int = 0) -> AsyncIterator[StoredEvent]:
        """Iterate over a stream's events, those of this transaction included."""
        self._check()
        for event in self._overlay.stream(stream)[after:]:
            yield event

    def state(self, aggregate_type: type[Any]) -> InMemoryState:
        """Return the state of a type of aggregates."""
        if not issubclass(aggregate_type, Aggregate):
            raise TypeError(f"cannot keep {aggregate_type.__qualname__}: it is no Aggregate.")
        codec = self._codec_of(aggregate_type)
        return InMemoryState(aggregate_type, codec, self._overlay, self._writing, self._check, self._break)

    def rows(self, view: type[V], *, shadow: bool = False) -> InMemoryRows[V]:
        """Return the rows of a view."""
        return InMemoryRows(view, rows_of(view, shadow=shadow), self._overlay, self._writing, self._check, self._break)

    async def clear_shadows(self, views: Sequence[type[View]]) -> None:
        """Remove all shadow rows of these views."""
        await self._writing()
        for view in views:
            self._overlay.clear(rows_of(view, shadow=True))

    async def swap_shadows(self, views: Sequence[type[View]]) -> None:
        """Replace the rows of these views by their shadow rows."""
        await self._writing()
        for view in views:
            rows, shadow = rows_of(view), rows_of(view, shadow=True)
            gathered = dict(self._overlay.items(shadow))
            self._overlay.clear(rows)
            self._overlay.clear(shadow)
            for key, row in gathered.items():
                self._overlay.put(rows, key, row)

    async def advance(
        self, subscription: str, *, expected: Checkpoint | None, to: Checkpoint, lease: Lease | None = None
    ) -> None:
        """Write a checkpoint where the expected one stands."""
        await self._writing()
        try:
            advance(self._overlay, subscription, expected, to, lease)
        except CheckpointMoved as moved:
            raise self._break(moved) from None

    async def divide(self, subscription: str, checkpoints: Sequence[Checkpoint], *, leases: Sequence[Lease]) -> None:
        """Replace the partitions of a subscription by others."""
        await self._writing()
        try:
            divide(self._overlay, subscription, checkpoints, leases)
        except CheckpointMoved as moved:
            raise self._break(moved) from None

    async def park(self, subscription: str, events: Sequence[ParkedEvent]) -> None:
        """Store parked events."""
        await self._writing()
        for parked in events:
            key = subscription, parked.event.id
            if self._overlay.get(PARKED, key) is None:
                self._overlay.put(PARKED, key, parked)

    async def unpark(self, subscription: str, positions: Sequence[Position]) -> int:
        """Forget parked events."""
        await self._writing()
        return unpark(self._overlay, subscription, positions)

    async def adopt_parked(self, subscription: str, *, of: str) -> None:
        """Let the parked events of another subscription take the place of this one's."""
        await self._writing()
        adopt_parked(self._overlay, subscription, of)

    async def ask_retry(self, subscription: str, key: str, *, at: datetime) -> bool:
        """Let the first parked event of a key be tried at a time."""
        await self._writing()
        return ask_retry(self._overlay, subscription, key, at)

    async def blame(self, subscription: str, parked: ParkedEvent) -> None:
        """Write reason, attempts, time and next try of a parked event anew."""
        await self._writing()
        if self._overlay.get(PARKED, (subscription, parked.event.id)) is not None:
            self._overlay.put(PARKED, (subscription, parked.event.id), parked)

    async def claim_key(self, tenant: str, key: str, record: KeyRecord) -> KeyRecord | None:
        """Claim a key, or return the record of who did before."""
        await self._writing()
        return claim_key(self._overlay, tenant, key, record)

    async def answer_key(self, tenant: str, key: str, *, result: str, token: str) -> None:
        """Write result and token into the record of a claimed key."""
        await self._writing()
        answer_key(self._overlay, tenant, key, result, token)

    async def claim_message(self, consumer: str, id: str, *, time: datetime) -> bool:
        """Note a message, or return False when it is noted already."""
        await self._writing()
        return claim_message(self._overlay, consumer, id, time)

    async def schedule(self, command: ScheduledCommand) -> None:
        """Write an entry of the schedule."""
        await self._writing()
        self._overlay.put(SCHEDULE, (command.tenant, command.id), command)

    async def unschedule(self, tenant: str, id: str) -> bool:
        """Remove an entry; return whether there was one."""
        await self._writing()
        return unschedule(self._overlay, tenant, id)

    async def take_scheduled(self, command: ScheduledCommand) -> bool:
        """Remove this very entry."""
        await self._writing()
        return change(self._overlay, command, GONE)

    async def postpone(self, command: ScheduledCommand, *, again: datetime | None, attempts: int, reason: str) -> bool:
        """Write when this very entry is tried next; return whether it was there."""
        await self._writing()
        later = command._replace(again=again, attempts=attempts, reason=reason)
        return change(self._overlay, command, later)

    async def kept(self, aggregate: str) -> str | None:
        """Return how aggregates of this name are kept, as far as that was noted."""
        self._check()
        found: str | None = self._overlay.get(KEPT, aggregate)
        return found

    async def keep(self, aggregate: str, way: str) -> None:
        """Note how aggregates of this name are kept, unless something is noted."""
        await self._writing()
        if self._overlay.get(KEPT, aggregate) is None:
            self._overlay.put(KEPT, aggregate, way)

    async def snapshot(self, stream: str) -> Snapshot | None:
        """Return the snapshot of a stream, or None."""
        self._check()
        found: Snapshot | None = self._overlay.get(SNAPSHOTS, stream)
        return found

    async def keep_snapshot(self, stream: str, snapshot: Snapshot) -> None:
        """Keep a snapshot, unless the one that is there has a higher version."""
        await self._writing()
        found: Snapshot | None = self._overlay.get(SNAPSHOTS, stream)
        if found is None or found.version <= snapshot.version:
            self._overlay.put(SNAPSHOTS, stream, snapshot)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Undo what was changed inside, and what broke inside, when it is left by an error."""
        self._check()
        mark = self._overlay.mark()
        try:
            yield
            self._check()
        except BaseException:
            self._overlay.undo(mark)
            self._broken = None
            raise

    async def commit(self) -> None:
        """Make everything visible at once."""
        self._check()
        if self._writes:
            self._tables.commit(self._overlay.appended, self._overlay.changes)
        self._end()

    async def rollback(self) -> None:
        """Forget everything."""
        if not self._ended:
            self._end()

    def _end(self) -> None:
        self._ended = True
        self._tables.readers -= self._read_only
        if self._writes:
            self._turn.release()

    async def __aenter__(self) -> Overlay:
        """Begin a step of the store itself, which is committed at the end."""
        await self._writing()
        return self._overlay

    async def __aexit__(self, kind: type[BaseException] | None, *exc_info: object) -> None:
        await (self.commit() if kind is None else self.rollback())

    async def _writing(self) -> None:
        self._check()
        if self._read_only:
            raise ReadOnlyUnitOfWork("cannot write here: this transaction only reads.")
        if not self._writes:
            await self._turn.acquire()
            self._writes = True

    def _check(self) -> None:
        if self._broken is not None:
            raise UnitOfWorkDoomed(
                f"cannot use this transaction: {type(self._broken).__name__} broke it ({self._broken}). Roll it back."
            ) from self._broken
        if self._ended:
            raise UnitOfWorkClosed("cannot use this transaction: it has ended.")

    def _break(self, error: TwofoldError) -> TwofoldError:
        self._broken = error
        return error


def _as_expected(version: int, expected: ExpectedVersion) -> bool:
    match expected:
        case Expected.ANY:
            return True
        case Expected.NO_STREAM:
            return version == 0
        case Expected.STREAM_EXISTS:
            return version > 0
        case _:
            return version == expected
