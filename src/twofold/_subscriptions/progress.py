"""Advance one partition of a subscription: process a batch, retry and park the events that fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from .._background.failures import contained, description
from .._consistency.known import Point
from .._definitions.message import Event
from .._definitions.partitioning import ordering_key, partition_of
from .._writing.transactions import writing
from ..errors import CheckpointMoved, UndecodableEvent
from ..ports.checkpoints import Checkpoint, Lease
from ..ports.event_log import LogPage, StoredEvent
from ..ports.parked import ParkedEvent
from ..ports.transactions import ReadTransaction
from .decoded_log import DecodedLog
from .failed_attempts import FOLLOWS, FailedAttempts
from .processor import EventFailed
from .subscription import Subscription


class BatchEvent(NamedTuple):
    """An event of a batch: decoded, or with the reason why it cannot be decoded."""

    stored: StoredEvent
    event: Event | None
    key: str
    reason: str = FOLLOWS


class Written(NamedTuple):
    """A checkpoint that was written and is not committed, and the events that were parked with it."""

    checkpoint: Checkpoint
    parked: Sequence[ParkedEvent] = ()


class PartitionProgress:
    """The progress of one partition of a subscription.

    Effects, checkpoint and parked events are committed together. A batch is one transaction if no event fails. An event
    that fails is parked in the transaction that commits the events before it, with the time of its next retry; after
    its last attempt it stays parked. Later events of its key are parked as well. Other keys continue. An event that is
    skipped after a failure is passed in that transaction, and not parked.

    Args:
        subscription: the subscription.
        checkpoint: the committed checkpoint of the partition.
        lease: the lease of the partition.
        partitions: the number of partitions.
        log: decodes events, and has the clock.
        on_commit: called with each committed checkpoint.
        on_skip: called after an event was skipped.
        stopping: returns whether to stop after the current transaction.
    """

    def __init__(
        self,
        subscription: Subscription,
        checkpoint: Checkpoint,
        lease: Lease,
        partitions: int,
        log: DecodedLog,
        on_commit: Callable[[Checkpoint], None],
        on_skip: Callable[[], None],
        stopping: Callable[[], bool],
    ) -> None:
        self.checkpoint = checkpoint
        self._subscription = subscription
        self._lease = lease
        self._partitions = partitions
        self._log = log
        self._on_commit = on_commit
        self._on_skip = on_skip
        self._stopping = stopping
        self._attempts = FailedAttempts(subscription, log)
        self._parked_keys: set[str] | None = None

    async def process(self, batch: LogPage) -> None:
        """Process a batch of the log, or the first events of it when the runner stops.

        Raises:
            CheckpointMoved: another worker moved the checkpoint. The current transaction is rolled back.
            TwofoldError: the store failed. The checkpoint is that of the last committed transaction.
        """
        events = [event for stored in batch.events if (event := self._decoded(stored)) is not None]
        while self.checkpoint.position < batch.last and not self._stopping():
            ready, to_park = await self._divided(events)
            await self._process(ready, to_park, Point(batch.last, batch.event))
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
                await self._retry(parked, self._log.event_types.decode_parked(parked), due)
                continue
            except UndecodableEvent as error:
                failed: ParkedEvent | None = self._attempts.undecodable(parked, error)
            except EventFailed as failure:
                failed = await self._attempts.failed(parked.event, parked.key, parked.attempts + 1, failure.error)
            if failed is not None:
                await self._failed_again(failed)
                return
            await self._retry(parked, None, due)
            self._on_skip()
        self._parked_keys = None

    async def _retry(self, parked: ParkedEvent, event: Event | None, due: datetime) -> None:
        """Process the first parked event of a key, or skip it (None), and delete it there."""
        name, to = self._subscription.name, replace(self.checkpoint, parked=self.checkpoint.parked - 1)

        async def advance(transaction: ReadTransaction, count: int) -> None:
            if not await transaction.parked.remove(name, [parked.event.position]):
                raise CheckpointMoved(f"the event at {parked.event.position} is no longer parked.")
            await transaction.parked.retry(name, parked.key, at=due)
            if event is None:
                await self._subscription.forget(transaction, parked.event.id)
            await self._move(transaction, to)

        events = [] if event is None else [(parked.event, event)]
        subscription, attempt = self._subscription, parked.attempts + 1
        with subscription.telemetry.batch(events, attempt):
            await subscription.processor.apply(events, advance, at=self.checkpoint.position, attempt=attempt)
        subscription.telemetry.processed(len(events))
        self._committed(Written(to))

    async def _failed_again(self, failed: ParkedEvent) -> None:
        async with writing(self._subscription.store) as transaction:
            await transaction.parked.update(self._subscription.name, failed)
            await self._move(transaction, self.checkpoint)
        self._on_commit(self.checkpoint)  # tasks that wait for the event check whether it is parked

    async def _move(self, transaction: ReadTransaction, to: Checkpoint) -> None:
        await transaction.checkpoints.advance(
            self._subscription.name, expected=self.checkpoint, to=to, lease=self._lease
        )

    async def _process(self, ready: Sequence[BatchEvent], to_park: Sequence[ParkedEvent], last: Point) -> None:
        """Process events in one transaction, up to the first that fails, or as far as the processor gets."""
        skipped: StoredEvent | None = None
        while True:
            try:
                await self._process_all(ready, to_park, last, skipped)
                break
            except EventFailed as failure:
                event = ready[failure.index]
                failed = await self._attempts.failed(event.stored, event.key, 1, failure.error)
                skipped, to_park = (event.stored, to_park) if failed is None else (None, [*to_park, failed])
                ready, last = ready[: failure.index], _at(event.stored)
        if skipped is not None and skipped.position <= self.checkpoint.position:
            self._on_skip()

    async def _process_all(
        self, ready: Sequence[BatchEvent], to_park: Sequence[ParkedEvent], last: Point, skipped: StoredEvent | None
    ) -> None:
        """Process events as far as the processor gets in one transaction. `last` is reached after all of them.

        Args:
            ready: the events to process.
            to_park: the events to park.
            last: the last position that the transaction may reach.
            skipped: the event at that position, if it is skipped.
        """
        written: Written | None = None
        processed = 0

        async def advance(transaction: ReadTransaction, count: int) -> None:
            nonlocal written, processed
            processed = count
            upto = last if count == len(ready) else _at(ready[count - 1].stored)
            written = await self._write(transaction, upto, to_park)
            if skipped is not None and skipped.position <= upto.position:
                await self._subscription.forget(transaction, skipped.id)

        events = [(each.stored, each.event) for each in ready if each.event is not None]
        with self._subscription.telemetry.batch(events):
            await self._subscription.processor.apply(events, advance)
        if written is not None:
            self._subscription.telemetry.processed(processed)
            self._committed(written)

    async def _write(self, transaction: ReadTransaction, upto: Point, to_park: Sequence[ParkedEvent]) -> Written:
        """Write the checkpoint, and park the events up to the checkpoint that cannot be processed."""
        passed = [each for each in to_park if self.checkpoint.position < each.event.position <= upto.position]
        if passed:
            await transaction.parked.add(self._subscription.name, passed)
        parked = self.checkpoint.parked + len(passed)
        to = replace(self.checkpoint, position=upto.position, event=upto.event, parked=parked)
        await self._move(transaction, to)
        return Written(to, passed)

    def _committed(self, written: Written) -> None:
        self.checkpoint = written.checkpoint
        if self._parked_keys is not None:
            self._parked_keys |= {each.key for each in written.parked}
        for each in written.parked:
            if not each.attempts and each.reason != FOLLOWS:
                self._attempts.log_undecodable(each)
        self._on_commit(self.checkpoint)

    async def _divided(self, events: Sequence[BatchEvent]) -> tuple[list[BatchEvent], list[ParkedEvent]]:
        """Separate the events to process from those to park: undecodable events, and events of a key with parked events."""
        if self._parked_keys is None:
            store, name = self._subscription.store, self._subscription.name
            self._parked_keys = set(await store.parked.keys(name)) if self.checkpoint.parked else set()
        if not self._parked_keys and not [each for each in events if each.event is None]:
            return list(events), []
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
        partition_by, key_of = self._subscription.partition_by, self._subscription.key_of
        by_stream, is_only = partition_by is None and key_of is None, self._partitions == 1
        if by_stream and not is_only and not self._is_mine(stored.stream):
            return None
        try:
            event = self._log.event_types.decode_stored(stored)
            if by_stream:
                return BatchEvent(stored, event, stored.stream)
            with contained():
                key = key_of(event) if key_of is not None else ordering_key(getattr(event, str(partition_by)))
        except Exception as error:  # noqa: BLE001 -- the event is parked
            # The ordering key of an undecodable event is unknown. Its stream is used instead.
            mine = self._is_mine(stored.stream)
            return BatchEvent(stored, None, stored.stream, description(error)) if mine else None
        return BatchEvent(stored, event, key) if key is not None and (is_only or self._is_mine(key)) else None

    def _is_mine(self, key: str) -> bool:
        return partition_of(key, self._partitions) == self._lease.partition


def _at(event: StoredEvent) -> Point:
    return Point(event.position, event.id)
