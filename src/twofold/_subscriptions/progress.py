"""Advance one partition of a subscription: process a batch, retry and park the events that fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from .._background.failures import reason_of, storable
from .._definitions.message import Event
from .._definitions.partitioning import partition_of
from .._definitions.position import Position
from .._writing.transactions import writing
from ..errors import CheckpointMoved, UndecodableEvent
from ..ports.checkpoints import Checkpoint, Lease
from ..ports.event_log import LogPage, StoredEvent
from ..ports.parked import ParkedEvent
from ..ports.transactions import ReadTransaction
from .decoded_log import DecodedLog
from .processor import EventFailed
from .subscription import Subscription


class BatchEvent(NamedTuple):
    """An event of a batch: decoded, or with the reason why it cannot be decoded."""

    stored: StoredEvent
    event: Event | None
    key: str
    reason: str = "follows an event of the same key that failed"


class Written(NamedTuple):
    """A checkpoint that was written and is not committed, and the keys of the events that were parked with it."""

    checkpoint: Checkpoint
    parked_keys: set[str]


class PartitionProgress:
    """The progress of one partition of a subscription.

    Effects, checkpoint and parked events are committed together. A batch is one transaction if no event fails. An event that
    fails is parked in the transaction that commits the events before it, with the time of its next retry; after its last
    attempt it stays parked. Later events of its key are parked behind it. Other keys continue.

    Args:
        subscription: the subscription.
        checkpoint: the committed checkpoint of the partition.
        lease: the lease of the partition.
        partitions: the number of partitions.
        log: decodes events, and has the clock.
        on_commit: called with each committed checkpoint.
    """

    def __init__(
        self,
        subscription: Subscription,
        checkpoint: Checkpoint,
        lease: Lease,
        partitions: int,
        log: DecodedLog,
        on_commit: Callable[[Checkpoint], None],
    ) -> None:
        self.checkpoint = checkpoint
        self._subscription = subscription
        self._lease = lease
        self._partitions = partitions
        self._log = log
        self._on_commit = on_commit
        self._parked_keys: set[str] | None = None

    async def process(self, batch: LogPage) -> None:
        """Process a batch of the log.

        Raises:
            CheckpointMoved: another worker moved the checkpoint. The current transaction is rolled back.
            TwofoldError: the store failed. The checkpoint is that of the last committed transaction.
        """
        events = [event for stored in batch.events if (event := self._decoded(stored)) is not None]
        while self.checkpoint.position < batch.last:
            ready, to_park = await self._divided(events)
            await self._process(ready, to_park, batch.last)
            events = [event for event in events if event.stored.position > self.checkpoint.position]

    async def retry(self, key: str, due: datetime) -> None:
        """Retry the parked events of a key, in order, until one fails again.

        Rows are written with the position of the checkpoint, so that they are newer than those of later events.

        Args:
            key: a key with a pending retry.
            due: the time of the retry. It is passed on to each next event of the key, so that no event is lost in a crash.
        """
        for parked in await self._subscription.store.parked.read(self._subscription.name, key=key):
            try:
                event = self._log.event_types.decode_stored(parked.event)
                await self._retry(parked, event, due)
            except UndecodableEvent as error:
                await self._failed_again(parked, error, None)
                return
            except EventFailed as failed:
                await self._failed_again(parked, failed.error, self._next_retry(parked.attempts + 1))
                return
        self._parked_keys = None

    async def _retry(self, parked: ParkedEvent, event: Event, due: datetime) -> None:
        name, to = self._subscription.name, replace(self.checkpoint, parked=self.checkpoint.parked - 1)

        async def advance(transaction: ReadTransaction, count: int) -> None:
            if not await transaction.parked.remove(name, [parked.event.position]):
                raise CheckpointMoved(f"the event at {parked.event.position} is no longer parked.")
            await transaction.parked.retry(name, parked.key, at=due)
            await self._move(transaction, to)

        await self._subscription.processor.apply([(parked.event, event)], advance, at=self.checkpoint.position)
        self._committed(Written(to, set()))

    async def _failed_again(self, parked: ParkedEvent, error: Exception, again: datetime | None) -> None:
        failed = parked._replace(
            reason=reason_of(error), attempts=parked.attempts + 1, time=self._log.clock.now(), again=again
        )
        async with writing(self._subscription.store) as transaction:
            await transaction.parked.update(self._subscription.name, failed)
            await self._move(transaction, self.checkpoint)
        self._on_commit(self.checkpoint)  # tasks that wait for the event check whether it is parked

    def _next_retry(self, attempts: int) -> datetime | None:
        """Return the time of the retry after so many failed attempts, or None if there is no further retry."""
        delay = self._subscription.retry.delay_after(attempts)
        return None if delay is None else self._log.clock.now() + timedelta(seconds=delay)

    async def _move(self, transaction: ReadTransaction, to: Checkpoint) -> None:
        await transaction.checkpoints.advance(
            self._subscription.name, expected=self.checkpoint, to=to, lease=self._lease
        )

    async def _process(self, ready: Sequence[BatchEvent], to_park: Sequence[ParkedEvent], last: Position) -> None:
        """Process events in one transaction, up to the first that fails, or as far as the processor gets."""
        while True:
            try:
                return await self._process_all(ready, to_park, last)
            except EventFailed as failed:
                event, now = ready[failed.index], self._log.clock.now()
                parked = ParkedEvent(event.stored, event.key, reason_of(failed.error), 1, now, self._next_retry(1))
                ready, to_park, last = ready[: failed.index], [*to_park, parked], event.stored.position

    async def _process_all(self, ready: Sequence[BatchEvent], to_park: Sequence[ParkedEvent], last: Position) -> None:
        """Process events as far as the processor gets in one transaction. `last` is the checkpoint after all of them."""
        written: Written | None = None

        async def advance(transaction: ReadTransaction, count: int) -> None:
            nonlocal written
            upto = last if count == len(ready) else ready[count - 1].stored.position
            written = await self._write(transaction, upto, to_park)

        events = [(each.stored, each.event) for each in ready if each.event is not None]
        await self._subscription.processor.apply(events, advance)
        if written is not None:
            self._committed(written)

    async def _write(self, transaction: ReadTransaction, upto: Position, to_park: Sequence[ParkedEvent]) -> Written:
        """Write the checkpoint, and park the events up to the checkpoint that cannot be processed."""
        passed = [each for each in to_park if self.checkpoint.position < each.event.position <= upto]
        if passed:
            await transaction.parked.add(self._subscription.name, passed)
        to = Checkpoint(upto, self.checkpoint.log, self.checkpoint.parked + len(passed))
        await self._move(transaction, to)
        return Written(to, {each.key for each in passed})

    def _committed(self, written: Written) -> None:
        self.checkpoint = written.checkpoint
        if self._parked_keys is not None:
            self._parked_keys |= written.parked_keys
        self._on_commit(self.checkpoint)

    async def _divided(self, events: Sequence[BatchEvent]) -> tuple[list[BatchEvent], list[ParkedEvent]]:
        """Separate the events to process from those to park: undecodable events, and events of a key with parked events."""
        if self._parked_keys is None:
            store, name = self._subscription.store, self._subscription.name
            self._parked_keys = set(await store.parked.keys(name)) if self.checkpoint.parked else set()
        blocked, now = set[str](), self._log.clock.now()
        ready: list[BatchEvent] = []
        to_park: list[ParkedEvent] = []
        for each in events:
            if each.event is None or each.key in self._parked_keys or each.key in blocked:
                blocked.add(each.key)
                to_park.append(ParkedEvent(each.stored, each.key, each.reason, 0, now))
            else:
                ready.append(each)
        return ready, to_park

    def _decoded(self, stored: StoredEvent) -> BatchEvent | None:
        """Return an event of this partition, or None for an event of another one."""
        partition_by = self._subscription.partition_by
        if partition_by is None and not self._is_mine(stored.stream):
            return None
        try:
            event = self._log.event_types.decode_stored(stored)
        except UndecodableEvent as error:
            # The ordering key of an undecodable event is unknown. Its stream is used instead.
            mine = self._is_mine(stored.stream)
            return BatchEvent(stored, None, stored.stream, reason_of(error)) if mine else None
        key = stored.stream if partition_by is None else storable(str(getattr(event, partition_by)))
        return BatchEvent(stored, event, key) if self._is_mine(key) else None

    def _is_mine(self, key: str) -> bool:
        return partition_of(key, self._partitions) == self._lease.partition
