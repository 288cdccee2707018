"""The transaction that a unit of work or a projection's batch gets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol, TypeVar, cast

from twofold import View
from twofold.ports import (
    Checkpoint,
    ExpectedVersion,
    KeyRecord,
    Lease,
    NewEvent,
    ParkedEvent,
    Position,
    RowWriter,
    ScheduledCommand,
    Snapshot,
    StateStore,
    StoredEvent,
)

from ._aggregates.snapshots import Snapshots
from ._connection.database import Database
from ._connection.open_transaction import Link
from ._log.event_log import SqlEventLog
from ._records.records import Records
from ._records.schedule import Schedule
from ._subscriptions.checkpoints import Checkpoints
from ._views.rows import TableRows, clear, replace_rows
from ._views.table import ViewTable

A = TypeVar("A")
V = TypeVar("V", bound=View)


class State(Protocol):
    """How the aggregates of one type are kept."""

    def open(self, link: Link) -> StateStore[Any]:
        """Return them inside a transaction."""
        ...


class SqlTransaction:
    """A `WriteTransaction`. Each call is sent at once; `commit` or `rollback` ends it and gives the connection back.

    Args:
        link: the transaction's connection.
        database: compiles and keeps statements.
        log: appends and reads events.
        checkpoints: writes checkpoints and parked events.
        records: writes records of what was done once.
        schedule: keeps scheduled commands.
        snapshots: reads and keeps snapshots.
        view_table: returns the table of a view, or that of its shadow rows.
        state_of: returns how a type of aggregate is kept.
    """

    def __init__(
        self,
        link: Link,
        database: Database,
        log: SqlEventLog,
        checkpoints: Checkpoints,
        records: Records,
        schedule: Schedule,
        snapshots: Snapshots,
        view_table: Callable[[type[View], bool], ViewTable[Any]],
        state_of: Callable[[type[object]], State],
    ) -> None:
        self._link = link
        self._database = database
        self._log = log
        self._checkpoints = checkpoints
        self._records = records
        self._schedule = schedule
        self._snapshots = snapshots
        self._view_table = view_table
        self._state_of = state_of
        self._states: dict[type[object], StateStore[Any]] = {}

    async def append(
        self, stream: str, events: Sequence[NewEvent], *, expected: ExpectedVersion
    ) -> Sequence[StoredEvent]:
        """Append events to a stream."""
        return await self._log.append(self._link, stream, events, expected)

    def read(self, stream: str, *, after: int = 0) -> AsyncIterator[StoredEvent]:
        """Iterate over a stream's events, those of this transaction included."""
        return self._log.read_by(self._link.fetch, stream, after)

    def state(self, aggregate_type: type[A]) -> StateStore[A]:
        """Return the states of an aggregate type. The same object each time: it knows what was loaded."""
        found = self._states.get(aggregate_type)
        if found is None:
            found = self._states[aggregate_type] = self._state_of(aggregate_type).open(self._link)
        return cast("StateStore[A]", found)

    def rows(self, view: type[V], *, shadow: bool = False) -> RowWriter[V]:
        """Return the rows of a view."""
        return TableRows(self._database, cast("ViewTable[V]", self._view_table(view, shadow)), self._link)

    async def clear_shadows(self, views: Sequence[type[View]]) -> None:
        """Remove all shadow rows of these views."""
        for view in views:
            await clear(self._link, self._view_table(view, True).table)

    async def swap_shadows(self, views: Sequence[type[View]]) -> None:
        """Replace the rows of these views by their shadow rows."""
        for view in views:
            await replace_rows(self._link, self._view_table(view, False).table, self._view_table(view, True).table)

    async def advance(
        self, subscription: str, *, expected: Checkpoint | None, to: Checkpoint, lease: Lease | None = None
    ) -> None:
        """Write a checkpoint where the expected one stands."""
        await self._checkpoints.advance(self._link, subscription, expected, to, lease)

    async def divide(self, subscription: str, checkpoints: Sequence[Checkpoint], *, leases: Sequence[Lease]) -> None:
        """Replace the partitions of a subscription by others."""
        await self._checkpoints.divide(self._link, subscription, checkpoints, leases)

    async def park(self, subscription: str, events: Sequence[ParkedEvent]) -> None:
        """Store parked events."""
        await self._checkpoints.park(self._link, subscription, events)

    async def unpark(self, subscription: str, positions: Sequence[Position]) -> int:
        """Forget parked events."""
        return await self._checkpoints.unpark(self._link, subscription, positions)

    async def adopt_parked(self, subscription: str, *, of: str) -> None:
        """Let the parked events of another subscription take the place of this one's."""
        await self._checkpoints.adopt_parked(self._link, subscription, of)

    async def ask_retry(self, subscription: str, key: str, *, at: datetime) -> bool:
        """Let the first parked event of a key be tried at a time."""
        return await self._checkpoints.ask_retry(self._link, subscription, key, at)

    async def blame(self, subscription: str, parked: ParkedEvent) -> None:
        """Write reason, attempts, time and next try of a parked event anew."""
        await self._checkpoints.blame(self._link, subscription, parked)

    async def claim_key(self, tenant: str, key: str, record: KeyRecord) -> KeyRecord | None:
        """Claim a key, or return the record of who did before."""
        return await self._records.claim_key(self._link, tenant, key, record)

    async def answer_key(self, tenant: str, key: str, *, result: str, token: str) -> None:
        """Write result and token into the record of a claimed key."""
        await self._records.answer_key(self._link, tenant, key, result, token)

    async def claim_message(self, consumer: str, id: str, *, time: datetime) -> bool:
        """Note a message, or return False when it is noted already."""
        return await self._records.claim_message(self._link, consumer, id, time)

    async def schedule(self, command: ScheduledCommand) -> None:
        """Write an entry of the schedule."""
        await self._schedule.put(self._link, command)

    async def unschedule(self, tenant: str, id: str) -> bool:
        """Remove an entry; return whether there was one."""
        return await self._schedule.drop(self._link, tenant, id)

    async def take_scheduled(self, command: ScheduledCommand) -> bool:
        """Remove this very entry, unless another transaction holds it."""
        return await self._schedule.take(self._link, command)

    async def postpone(self, command: ScheduledCommand, *, again: datetime | None, attempts: int, reason: str) -> bool:
        """Write when this very entry is tried next; return whether it was there."""
        return await self._schedule.postpone(self._link, command, again, attempts, reason)

    async def kept(self, aggregate: str) -> str | None:
        """Return how aggregates of this name are kept, as far as that was noted."""
        return await self._snapshots.kept(self._link, aggregate)

    async def keep(self, aggregate: str, way: str) -> None:
        """Note how aggregates of this name are kept; what was noted before counts."""
        await self._snapshots.keep(self._link, aggregate, way)

    async def snapshot(self, stream: str) -> Snapshot | None:
        """Return the snapshot of a stream, or None."""
        return await self._snapshots.get(self._link, stream)

    async def keep_snapshot(self, stream: str, snapshot: Snapshot) -> None:
        """Keep a snapshot, unless the one that is there has a higher version."""
        await self._snapshots.put(self._link, stream, snapshot)

    def savepoint(self) -> AbstractAsyncContextManager[None]:
        """Open a savepoint."""
        return self._link.savepoint()

    async def commit(self) -> None:
        """Make everything durable and visible. A COMMIT that was sent is awaited, whoever cancels the task."""
        await self._link.commit()

    async def rollback(self) -> None:
        """Undo everything and release the connection."""
        await self._link.rollback()
