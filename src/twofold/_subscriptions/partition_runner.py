"""Run one partition of a subscription: read the log, process batches, retry parked events, and wait for new events."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from math import inf

import anyio

from .._background.backoff import Backoff
from .._background.failures import log_failure
from .._background.signal import Signal
from .._definitions.partitioning import partition_of
from .._definitions.position import Position
from ..errors import CheckpointMoved
from ..ports.checkpoints import Checkpoint, Lease
from ..ports.event_log import LogPage
from .decoded_log import DecodedLog
from .progress import PartitionProgress
from .subscription import Subscription

logger = logging.getLogger("twofold.subscriptions")

BATCH = 500
"""The largest number of events that are read, and processed in one transaction."""

REST = 8
LONGEST_REST = 0.2
"""A subscription that has caught up waits `REST` times the duration of its last batch, and at most `LONGEST_REST` seconds,
unless a task waits for the subscription. More events arrive meanwhile, so that batches grow under load."""

FIRST_POLL = 0.01
LAST_POLL = 0.5
"""The delays between two polls of the log without a wake-up, in seconds."""

RETRY_TIME = 0.5
"""How long parked events are retried before new events are processed again, in seconds."""


class LeaseLost(Exception):
    """Another worker has claimed the partition."""


class PartitionRunner:
    """Runs one partition until it is stopped or cancelled, or the lease is lost.

    A failure is logged, shown in `error`, and retried with backoff. It never ends the runner. After a failure the checkpoint
    is read from the store again.

    Args:
        subscription: the subscription.
        lease: the lease of the partition.
        partitions: the number of partitions.
        log: the event log.
        appended: sent when events were appended.
        awaited: sent when a task waits for a subscription.
        moved: called after each commit.
    """

    def __init__(
        self,
        subscription: Subscription,
        lease: Lease,
        partitions: int,
        log: DecodedLog,
        appended: Signal,
        awaited: Signal,
        moved: Callable[[], None],
    ) -> None:
        self.error: Exception | None = None
        self.checkpoint: Checkpoint | None = None
        self._subscription = subscription
        self._lease = lease
        self._partitions = partitions
        self._log = log
        self._appended = appended
        self._awaited = awaited
        self._moved = moved
        self._stopping = False

    def stop(self) -> None:
        """Stop after the current batch."""
        self._stopping = True

    async def run(self) -> None:
        """Run until stopped, cancelled, or the lease is lost. A cancellation rolls the current batch back."""
        name, backoff = self._subscription.name, Backoff()
        while not self._stopping:
            try:
                await self._follow(await self._load())
            except LeaseLost:
                logger.warning("subscription %s: another worker has claimed partition %d", name, self._lease.partition)
                return
            except CheckpointMoved:
                logger.info("subscription %s: the checkpoint was moved, and is read again", name)
            except Exception as error:  # noqa: BLE001 -- logged, and retried
                if self.error is None:
                    backoff.reset()
                self.error, delay = error, backoff.next()
                log_failure(logger, error, "subscription %s failed and retries in %.2f s", name, delay)
                await anyio.sleep(delay)

    async def catch_up(self, upto: Position, after_batch: Callable[[Position], Awaitable[None]]) -> float:
        """Process the log up to a position, then retry the parked events that are due.

        Args:
            upto: the position.
            after_batch: awaited after each batch, with the new position.

        Returns:
            The seconds until the next retry of a parked event; infinite if no retry is pending.
        """
        progress = await self._load()
        while progress.checkpoint.position < upto:
            await progress.process(_cut(await self._read(progress), upto))
            await after_batch(progress.checkpoint.position)
        return await self._retry(progress)

    async def _follow(self, progress: PartitionProgress) -> None:
        poll = Backoff(FIRST_POLL, LAST_POLL)
        while not self._stopping:
            appended, awaited = self._appended.count, self._awaited.count
            batch = await self._read(progress)
            began, news = anyio.current_time(), batch.last > progress.checkpoint.position
            if news:
                await progress.process(batch)
                poll.reset()
            took = anyio.current_time() - began
            next_retry = await self._retry(progress)
            self.error = None
            if len(batch.events) == BATCH:
                continue
            if news:
                await self._awaited.wait(awaited, min(REST * took, LONGEST_REST, next_retry))
            await self._appended.wait(appended, min(poll.next(), next_retry))

    async def _read(self, progress: PartitionProgress) -> LogPage:
        return await self._log.events.read_all(
            after=progress.checkpoint.position, limit=BATCH, names=self._subscription.events
        )

    async def _retry(self, progress: PartitionProgress) -> float:
        """Retry the parked events that are due, for a limited time. Return the seconds until the next retry."""
        if not progress.checkpoint.parked:
            return inf
        now, began = self._log.clock.now(), anyio.current_time()
        pending = [
            (again, key)
            for key, again in (await self._subscription.store.parked.retries(self._subscription.name)).items()
            if partition_of(key, self._partitions) == self._lease.partition
        ]
        for again, key in sorted(pending):
            if again > now:
                return (again - now).total_seconds()
            if self._stopping or anyio.current_time() - began > RETRY_TIME:
                break
            await progress.retry(key, again)
        return 0.0 if pending else inf

    async def _load(self) -> PartitionProgress:
        """Return the progress from the committed checkpoint.

        Raises:
            LeaseLost: another worker has claimed the partition.
        """
        subscription = self._subscription
        for each in await subscription.store.subscriptions.partitions(subscription.name):
            if (each.number, each.generation) == self._lease[1:]:
                self._note(each.checkpoint)
                return PartitionProgress(
                    subscription, each.checkpoint, self._lease, self._partitions, self._log, self._note
                )
        raise LeaseLost

    def _note(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self._moved()


def _cut(batch: LogPage, upto: Position) -> LogPage:
    """Return a batch without the events after a position."""
    return LogPage(tuple(event for event in batch.events if event.position <= upto), min(batch.last, upto))
