"""Run one partition of a subscription: read the log, process batches, retry parked events, and wait for new events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from math import inf

import anyio

from .._background.backoff import Backoff
from .._background.failures import contained, log_failure
from .._background.log_lines import logger_of
from .._background.signal import Signal
from .._consistency.waiting import NO_RUNS, Runs, runs_of
from .._definitions.partitioning import partition_of
from .._definitions.position import Position
from ..errors import CheckpointMoved, EventsLost
from ..ports.checkpoints import Checkpoint, Lease
from ..ports.event_log import LogPage
from .contents import refused_by
from .decoded_log import DecodedLog
from .losses import lost_by
from .progress import PartitionProgress
from .subscription import Subscription

logger = logger_of("twofold.subscriptions")

BATCH = 500
"""The largest number of events that are read, and processed in one transaction."""

PAUSE_FACTOR = 8
LONGEST_PAUSE = 0.2
"""A subscription that has caught up waits `PAUSE_FACTOR` times the duration of its last batch, and at most
`LONGEST_PAUSE` seconds, unless a task waits for the subscription. More events arrive during the wait, so that batches
grow under load."""

FIRST_POLL = 0.01
LAST_POLL = 0.5
"""The delays between two polls of the log without a wake-up, in seconds."""

RETRY_TIME = 0.5
"""Seconds for which parked events are retried before new events are processed again."""


class LeaseLost(Exception):
    """Another worker has claimed the partition."""


class SubscriptionPaused(Exception):
    """An operator has paused the subscription."""


class PartitionRunner:
    """Runs one partition until it is stopped or cancelled, the lease is lost, or the subscription is paused.

    A failure is logged, shown in `error`, and retried with backoff. It never ends the runner. After a failure the checkpoint
    is read from the store again.

    Args:
        subscription: the subscription.
        lease: the lease of the partition.
        log: the event log.
        appended: sent when events were appended.
        awaited: sent when a task waits for a subscription.
        moved: called after each commit.
        skipped: called after an event was skipped.
    """

    def __init__(
        self,
        subscription: Subscription,
        lease: Lease,
        log: DecodedLog,
        appended: Signal,
        awaited: Signal,
        moved: Callable[[], None],
        skipped: Callable[[], None] = lambda: None,
    ) -> None:
        self.error: Exception | None = None
        self.lost = False
        """Whether another worker has claimed the partition."""
        self.checkpoint: Checkpoint | None = None
        self.partitions = 0
        """The number of partitions, read together with the checkpoint. A later change of the number ends the lease."""
        self.runs: Runs = NO_RUNS
        """The runs of the stores' servers in which the checkpoint was loaded, once the log has verified its event."""
        self._loaded_in = NO_RUNS
        self._subscription = subscription
        self._lease = lease
        self._log = log
        self._appended = appended
        self._awaited = awaited
        self._moved = moved
        self._skipped = skipped
        self._stopping = False

    def stop(self) -> None:
        """Stop after the current transaction: a batch of a projection, an event of an event handler."""
        self._stopping = True

    async def run(self) -> None:
        """Run until stopped, cancelled, paused, or the lease is lost. A cancellation rolls the current batch back."""
        name, backoff, poll = self._subscription.name, Backoff(), Backoff(FIRST_POLL, LAST_POLL)
        while not self._stopping:
            try:
                with contained():
                    await self._follow(await self._load(), poll)
            except LeaseLost:
                self.lost = True
                return
            except SubscriptionPaused:
                return  # the worker logs it
            except CheckpointMoved:
                logger.info("subscription %s: the checkpoint was moved, and is read again", name)
            except Exception as error:  # noqa: BLE001 -- logged, and retried
                if self.error is None:
                    backoff.reset()
                self.error, delay = error, backoff.next()
                log_failure(logger, error, "subscription %s failed and retries in %.2f s", name, delay)
                await anyio.sleep(delay)

    async def catch_up(self, upto: Checkpoint, after_batch: Callable[[Position], Awaitable[None]]) -> float:
        """Process the log up to a checkpoint, then retry the parked events that are due.

        Args:
            upto: the checkpoint. Its event is in the log.
            after_batch: awaited after each batch, with the new position.

        Returns:
            The seconds until the next retry of a parked event; infinite if no retry is pending.

        Raises:
            EventsLost: the log has lost the event at the current checkpoint.
            SubscriptionPaused: an operator has paused the subscription.
        """
        progress = await self._load()
        while progress.checkpoint.position < upto.position:
            await progress.process(_cut(await self._read(progress), upto))
            await after_batch(progress.checkpoint.position)
        return await self._retry(progress)

    async def _follow(self, progress: PartitionProgress, poll: Backoff) -> None:
        just_loaded = True  # so that it advances by a batch even if each connection leads to another server
        while not self._stopping:
            appended, awaited = self._appended.count, self._awaited.count
            if not just_loaded and await self._current_runs() != self._loaded_in:
                raise CheckpointMoved("the server of a store was restarted or replaced")
            just_loaded = False
            batch = await self._read(progress)
            began, news = anyio.current_time(), batch.last > progress.checkpoint.position
            if news:
                await self._verify(progress)
                await progress.process(batch)
                poll.reset()
            took = anyio.current_time() - began
            next_retry = await self._retry(progress)
            self.error = None
            if len(batch.events) == BATCH:
                continue
            if news:
                await self._awaited.wait(awaited, min(PAUSE_FACTOR * took, LONGEST_PAUSE, next_retry))
            await self._appended.wait(appended, min(poll.next(), next_retry))

    async def _read(self, progress: PartitionProgress) -> LogPage:
        """Return the next events, once the log has verified that it still has the event at the checkpoint.

        Raises:
            CheckpointMoved: the event was lost together with the stored checkpoint, which is another one now.
            EventsLost: the event is lost, and the stored checkpoint is not.
        """
        after = progress.checkpoint
        try:
            batch = await self._log.events.read_all(
                after=after.position, event=after.event, limit=BATCH, names=self._subscription.events
            )
        except EventsLost as lost:
            if await self._stored() != after:
                raise CheckpointMoved("the store of the log lost its last commits") from lost
            raise lost_by(self._subscription, after, lost.head) from None
        if self.runs != self._loaded_in:
            self.runs = self._loaded_in
            self._moved()
        return batch

    async def _current_runs(self) -> Runs:
        return await runs_of(self._log.store, self._subscription.store)

    async def _retry(self, progress: PartitionProgress) -> float:
        """Retry the parked events that are due, for a limited time. Return the seconds until the next retry."""
        if not progress.checkpoint.parked:
            return inf
        pending = [
            (again, key)
            for key, again in (await self._subscription.store.parked.retries(self._subscription.name)).items()
            if partition_of(key, self.partitions) == self._lease.partition
        ]
        if not pending:
            return inf
        now, began = await self._log.now(self._subscription.store), anyio.current_time()
        for again, key in sorted(pending):
            if again > now:
                return (again - now).total_seconds()
            if self._stopping or anyio.current_time() - began > RETRY_TIME:
                break
            await self._verify(progress)
            await progress.retry(key, again)
        return 0.0

    async def _verify(self, progress: PartitionProgress) -> None:
        """Verify the checkpoint before side effects. A refused batch of a projection leaves nothing, so it needs no check.

        Raises:
            CheckpointMoved: an operator has changed the checkpoint.
            LeaseLost: an operator or another worker has claimed the partition.
            SubscriptionPaused: an operator has paused the subscription.
        """
        if self._subscription.kind != "projection" and await self._stored() != progress.checkpoint:
            raise CheckpointMoved("an operator has discarded parked events")

    async def _load(self) -> PartitionProgress:
        """Return the progress from the committed checkpoint.

        Raises:
            LeaseLost: another worker has claimed the partition.
            SubscriptionPaused: an operator has paused the subscription.
        """
        self._loaded_in, self.runs = await self._current_runs(), NO_RUNS
        checkpoint = await self._stored()
        self._note(checkpoint)
        return PartitionProgress(
            self._subscription, checkpoint, self._lease, self.partitions, self._log, self._note, self._skipped,
            lambda: self._stopping,
        )  # fmt: skip

    async def _stored(self) -> Checkpoint:
        subscription = self._subscription
        partitions = await subscription.store.subscriptions.partitions(subscription.name)
        for each in partitions:
            if (each.number, each.generation) == self._lease[1:]:
                if refused_by(subscription, [each.checkpoint]) is not None:
                    raise LeaseLost  # the worker reports it
                if each.pause is not None:
                    raise SubscriptionPaused
                self.partitions = len(partitions)
                return each.checkpoint
        raise LeaseLost

    def _note(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self._moved()


def _cut(batch: LogPage, upto: Checkpoint) -> LogPage:
    """Return a batch without the events after a checkpoint."""
    if batch.last <= upto.position:
        return batch
    return LogPage(tuple(event for event in batch.events if event.position <= upto.position), upto.position, upto.event)
