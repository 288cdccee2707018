"""Rebuild a projection beside the rows that queries read (blue/green), and swap the rows in one transaction.

A subscription of its own fills shadow rows from the beginning of the log, while the live rows are read and kept up to date.
When the shadow rows have nearly caught up and no retry is pending, the rebuild claims the leases of the live projection, so
that the live rows no longer change. It processes the remaining events, and replaces rows, checkpoints and parked events in
one transaction. A crash before that transaction leaves the live rows as they are, and the next rebuild continues.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from math import isinf

import anyio

from .._background.signal import Signal
from .._consistency.lag import lag_in_events
from .._definitions.position import START, Position
from .._dispatch.services import Services
from .._writing.transactions import writing
from ..errors import CheckpointMoved, CommitUnknown, RebuildRunning, TransientFailure
from ..ports.checkpoints import Checkpoint, Lease
from ..ports.stores import ReadStore
from ..ports.subscription_store import Partition
from .decoded_log import DecodedLog
from .partition_runner import BATCH, LeaseLost, PartitionRunner
from .partitions import parked_by_partition
from .projection import Projection, ProjectionProcessor
from .subscription import EVERY_PARTITION, Subscription

AfterBatch = Callable[[Position], Awaitable[None]]
"""Awaited after each batch."""

OnProgress = Callable[[int, int], object]
"""Called with the position that a rebuild has reached, and the position that it must reach."""


class Rebuild:
    """One rebuild of one projection.

    Args:
        subscription: the subscription of the projection.
        projection: the projection.
        services: the services of the application.
        log: the event log.
        owner: the name of this process.
        lease: the duration of a lease, in seconds. Another process can continue the rebuild after that time.
    """

    def __init__(
        self,
        subscription: Subscription,
        projection: Projection,
        services: Services,
        log: DecodedLog,
        owner: str,
        lease: float,
    ) -> None:
        processor = ProjectionProcessor(replace(projection, shadow=True), services)
        self._live = subscription
        self._shadow = replace(subscription, name=f"{subscription.name}@rebuild", processor=processor, partitions=1)
        self._views = sorted(projection.views, key=lambda view: view.view_name)
        self._store: ReadStore = subscription.store
        self._log = log
        self._owner = owner
        self._seconds = lease

    async def run(self, on_progress: OnProgress, *, restart: bool) -> None:
        """Fill the shadow rows and swap them.

        Args:
            on_progress: called with the progress.
            restart: start from the beginning, even if an earlier rebuild was interrupted.

        Raises:
            RebuildRunning: another process rebuilds this projection.
        """
        await self._store.create_shadows(self._views)
        lease = await self._claim(restart)
        try:
            while True:
                await self._fill(lease, on_progress)
                try:
                    if await self._swap(lease, on_progress):
                        return
                except CommitUnknown:
                    if not await self._store.subscriptions.partitions(self._shadow.name):  # the swap was committed
                        return
        finally:
            with anyio.CancelScope(shield=True):
                await self._store.subscriptions.release([lease])

    async def _claim(self, restart: bool) -> Lease:
        """Claim the lease of the rebuild. Start with empty rows the first time, after `restart`, and for other contents."""
        if not await self._store.subscriptions.partitions(self._shadow.name):
            await self._start(())
        lease = await self._claimed()
        begun = await self._checkpoint()
        if not restart and begun.contents == self._live.contents and not await self._log.lost([begun]):
            return lease
        await self._start([lease])
        return await self._claimed()

    async def _claimed(self) -> Lease:
        subscriptions = self._store.subscriptions
        leases = await subscriptions.claim(self._shadow.name, self._owner, seconds=self._seconds, limit=1)
        if not leases:
            raise RebuildRunning(
                f"cannot rebuild {self._live.name!r}: another process rebuilds it, or did so a moment ago. Wait until it "
                f"has finished. A rebuild whose process died can be continued after {self._seconds:g} s."
            )
        return leases[0]

    async def _start(self, leases: Sequence[Lease]) -> None:
        with suppress(CheckpointMoved):  # another process has just started, and holds the lease
            async with writing(self._store) as transaction:
                first = Checkpoint(START, self._log.identity, contents=self._live.contents)
                await transaction.checkpoints.divide(self._shadow.name, [first], leases=leases)
                parked = await self._store.parked.read(self._shadow.name)
                await transaction.parked.remove(self._shadow.name, [each.event.position for each in parked])
                await transaction.shadows.clear(self._views)

    async def _fill(self, lease: Lease, on_progress: OnProgress) -> None:
        """Apply the log to the shadow rows until less than a batch is left and no retry is pending.

        Pending retries are awaited here, while the live rows are kept up to date. Otherwise the rows could be older after
        the swap than before.
        """
        while True:
            upto = await self._log.at_head()
            head, position = upto.position, (await self._checkpoint()).position
            on_progress(position, head)
            left = await lag_in_events(self._log.events, after=position, upto=head)
            after_batch = self._after_batch([lease], on_progress, head)
            try:
                next_retry = await self._runner(lease).catch_up(upto, after_batch)
                if left < BATCH and isinf(next_retry):
                    return
                if left < BATCH:
                    await anyio.sleep(min(next_retry, self._seconds / 3))
                    await after_batch(head)
            except (CheckpointMoved, LeaseLost) as error:
                raise RebuildRunning(
                    f"cannot continue the rebuild of {self._live.name!r}: another process continues it."
                ) from error

    async def _checkpoint(self) -> Checkpoint:
        """Return the checkpoint of the shadow rows.

        Raises:
            TransientFailure: the store has lost the shadow rows.
        """
        partitions = await self._store.subscriptions.partitions(self._shadow.name)
        if not partitions:
            raise TransientFailure(
                f"cannot continue the rebuild of {self._live.name!r}: its store has lost the new rows, as a Redis without "
                "persistence does at a restart. Start the rebuild again."
            )
        return partitions[0].checkpoint

    def _after_batch(self, leases: Sequence[Lease], on_progress: OnProgress, upto: Position) -> AfterBatch:
        async def after_batch(position: Position) -> None:
            on_progress(position, upto)
            if len(await self._store.subscriptions.renew(leases, seconds=self._seconds)) < len(leases):
                raise CheckpointMoved(f"another process took {self._live.name!r} over during its rebuild.")

        return after_batch

    async def _swap(self, lease: Lease, on_progress: OnProgress) -> bool:
        """Stop the live projection, process the remaining events, and replace its rows. Return False to fill again first."""
        name, subscriptions = self._live.name, self._store.subscriptions
        held = await subscriptions.claim(name, self._owner, seconds=self._seconds, limit=EVERY_PARTITION, force=True)
        try:
            live = await subscriptions.partitions(name)
            reached = [partition.checkpoint for partition in live]
            lost = await self._log.lost(reached)
            there = [each for each in reached if each not in lost]
            upto = max([await self._log.at_head(), *there], key=lambda each: each.position)
            after_batch = self._after_batch([lease, *held], on_progress, upto.position)
            next_retry = await self._runner(lease).catch_up(upto, after_batch)
            return isinf(next_retry) and await self._replace(live, held, lease)
        except CheckpointMoved:
            return False  # the leases expired before the swap
        finally:
            with anyio.CancelScope(shield=True):
                await subscriptions.release(held)

    async def _replace(self, live: Sequence[Partition], held: Sequence[Lease], lease: Lease) -> bool:
        name, count = self._live.name, len(live) or self._live.partitions
        checkpoint = await self._checkpoint()
        counts = parked_by_partition(await self._store.parked.keys(self._shadow.name), count)
        checkpoints = [replace(checkpoint, parked=parked) for parked in counts]
        async with writing(self._store) as transaction:
            await transaction.checkpoints.divide(name, checkpoints, leases=held)
            await transaction.checkpoints.divide(self._shadow.name, (), leases=[lease])
            await transaction.parked.adopt(name, of=self._shadow.name)
            await transaction.shadows.swap(self._views)
        return True

    def _runner(self, lease: Lease) -> PartitionRunner:
        return PartitionRunner(self._shadow, lease, self._log, Signal(), Signal(), lambda: None)
