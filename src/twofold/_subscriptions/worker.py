"""Run the partitions of a subscription that this process holds: claim, renew and release their leases."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import ceil
from typing import Literal, TypeAlias

import anyio
from anyio.abc import TaskGroup

from .._background.backoff import Backoff
from .._background.failures import contained, log_failure
from .._background.log_lines import logger_of
from .._background.signal import Signal
from .._consistency.waiting import NO_RUNS, Runs
from ..ports.checkpoints import Checkpoint, Lease
from ..ports.subscription_store import Partition, Pause
from .contents import lacking_in, refused_by
from .decoded_log import DecodedLog
from .partition_runner import PartitionRunner
from .partitions import Partitions
from .subscription import Subscription

logger = logger_of("twofold.subscriptions")

State: TypeAlias = Literal["stopped", "standby", "running", "failing", "paused"]

_SOON = 0.1
"""Seconds between two attempts of a worker to claim a partition that it has lost."""

_RELEASE = 2.0
"""The timeout of releasing a lease, in seconds. A lease that is not released expires."""


@dataclass(slots=True)
class RunningPartition:
    """A partition that runs in this process, the scope that cancels it, and whether another worker gets it."""

    runner: PartitionRunner
    scope: anyio.CancelScope
    handed_over: bool = False


class Worker:
    """Runs one subscription, together with the workers of other processes. Each worker holds its share of the partitions.

    Leases are renewed in a task of their own, so that a slow handler does not lose its partition. A worker that cannot renew
    its leases stops the partitions when the leases expire by its own clock. If the process was paused for longer, the store
    refuses its writes.

    Args:
        subscription: the subscription.
        log: the event log.
        owner: the name of this process.
        lease: the duration of a lease, in seconds.
        appended: sent when events were appended.
        awaited: sent when a task waits for a subscription.
        on_progress: called with the lowest checkpoint if this process holds all partitions, else with None; and with the
            runs of the stores' servers.
    """

    def __init__(
        self,
        subscription: Subscription,
        log: DecodedLog,
        owner: str,
        lease: float,
        appended: Signal,
        awaited: Signal,
        on_progress: Callable[[str, Checkpoint | None, Runs], None],
    ) -> None:
        self.subscription = subscription
        self.skipped = 0
        """The number of events that were skipped in this process."""
        self._partitions = Partitions(subscription, log, owner, lease, self._runner)
        self._log = log
        self._owner = owner
        self._lease = lease
        self._appended = appended
        self._awaited = awaited
        self._on_progress = on_progress
        self._held: dict[Lease, RunningPartition] = {}
        self._running = False
        self._stopping = False
        self._changed = Signal()
        self._lost_at = float("-inf")
        self._is_moved = self._was_moved = False
        self._error: Exception | None = None
        self._pause: Pause | None = None
        self._refusal: Exception | None = None
        self._examined: str | None = None
        """The recorded contents that this process has compared with the log."""
        self._was_current = False
        """Whether this release had all recorded contents once. If they grow, a newer release has replaced this one."""

    @property
    def state(self) -> State:
        """The state of the subscription in this process."""
        if not self._running:
            return "stopped"
        if self.error is not None:
            return "failing"
        if self._pause is not None:
            return "paused"
        return "running" if self._held else "standby"

    @property
    def error(self) -> Exception | None:
        """The current failure."""
        errors = [each.runner.error for each in self._held.values() if each.runner.error is not None]
        return errors[0] if errors else self._error

    async def create(self) -> None:
        """Create the checkpoints of a subscription that never ran, so that it starts there when it is resumed."""
        await self._partitions.create()

    async def prepare(self) -> None:
        """Check the checkpoints, and create those of a new subscription where needed; see `Partitions.prepare`.

        Raises:
            ForeignLog: a checkpoint belongs to another log.
        """
        await self._partitions.prepare()

    def stop(self) -> None:
        """Stop the partitions after their current transactions."""
        self._stopping = True
        self._changed.send()
        for held in self._held.values():
            held.runner.stop()

    @contextmanager
    def moving(self) -> Iterator[None]:
        """Expect that an operator of this process takes the leases in the block. Renew them at its end."""
        self._is_moved, self._was_moved = True, False
        try:
            yield
        finally:
            self._was_moved = True
            self._changed.send()

    def refresh(self) -> None:
        """Renew the leases immediately, because an operator has paused or resumed the subscription."""
        self._changed.send()

    async def run(self) -> None:
        """Run until stopped or cancelled."""
        self._running = True
        logger.info("subscription %s: the worker starts as %s", self.subscription.name, self._owner)
        try:
            async with anyio.create_task_group() as runners:
                valid_until, backoff = anyio.current_time() + self._lease, Backoff(last=self._lease / 3)
                while not self._stopping:
                    asked, seen, moved = anyio.current_time(), self._changed.count, self._was_moved
                    try:
                        with contained():
                            await self._update_leases(runners)
                        if moved:
                            self._is_moved = self._was_moved = False
                        valid_until, self._error = asked + self._lease, self._refusal
                        backoff.reset()
                        delay = self._delay()
                    except Exception as error:  # noqa: BLE001 -- logged, and retried
                        log_failure(logger, error, "subscription %s: cannot renew its leases", self.subscription.name)
                        if anyio.current_time() > valid_until:
                            self._cancel_others(set())
                        self._error, delay = error, backoff.next()
                    await self._changed.wait(seen, delay)
        finally:
            self._running = False
            logger.info("subscription %s: the worker has stopped", self.subscription.name)

    async def _update_leases(self, runners: TaskGroup) -> None:
        """Renew the leases, stop the partitions above this process's share, and claim the missing ones."""
        name, store = self.subscription.name, self.subscription.store.subscriptions
        if self._held:
            self._cancel_others(set(await store.renew(list(self._held), seconds=self._lease)))
        partitions = await store.partitions(name)
        stored = [each.checkpoint for each in partitions]
        self._was_current = self._was_current or not lacking_in(self.subscription, stored)
        if self._is_paused(partitions) or not await self._may_run(stored):
            return
        if stored and stored[0].contents not in (self._examined, self.subscription.contents):
            self._examined = stored[0].contents
            await self._partitions.record_contents()
        count = len(partitions) or await self._partitions.create()
        if count != self.subscription.partitions and not self._held:
            count = await self._partitions.change()
        workers = 1 if count == 1 else await store.attend(name, self._owner, seconds=self._lease)
        share = ceil(count / workers)
        for lease, held in list(self._held.items())[share:]:
            if not held.handed_over:
                held.handed_over = True
                text = "subscription %s: this worker hands over partition %d, because %d workers share %d partitions"
                logger.info(text, name, lease.partition, workers, count)
            held.runner.stop()
        if len(self._held) < share:
            free, ran = share - len(self._held), {each.number for each in partitions if each.generation}
            for lease in await store.claim(name, self._owner, seconds=self._lease, limit=free):
                text = "subscription %s: this worker runs partition %d"
                if lease.partition in ran:
                    text = "subscription %s: this worker takes over partition %d"
                logger.info(text, name, lease.partition)
                runners.start_soon(self._run, lease)

    def _is_paused(self, partitions: Sequence[Partition]) -> bool:
        """Return whether the subscription is paused. Partitions that still run stop after their current transactions."""
        pause, before = partitions[0].pause if partitions else None, self._pause
        self._pause = pause
        if pause is not None:
            for held in self._held.values():
                held.runner.stop()
        if (pause is None) != (before is None):
            text = "is resumed" if pause is None else f"is paused {pause.text}"
            logger.info("subscription %s %s", self.subscription.name, text)
        return pause is not None

    async def _may_run(self, stored: Sequence[Checkpoint]) -> bool:
        """Return whether this release may run the projection. If it lacks only fields since its start, it takes over."""
        lacking = lacking_in(self.subscription, stored)
        if lacking.fields and not (self._was_current or lacking.views or lacking.events):
            self._refusal = None
            return await self._partitions.take_over()
        if not self._is_refused(stored):
            return True
        self._cancel_others(set())
        return False

    def _is_refused(self, stored: Sequence[Checkpoint]) -> bool:
        """Return whether this release must not run the projection, so that workers of another release can."""
        refusal = refused_by(self.subscription, stored)
        if refusal is not None and self._refusal is None:
            logger.error("%s", refusal)
        self._refusal = refusal
        return refusal is not None

    async def _run(self, lease: Lease) -> None:
        runner = self._runner(lease)
        with anyio.CancelScope() as scope:
            self._held[lease] = RunningPartition(runner, scope)
            self.subscription.telemetry.lease("acquired")
            try:
                if not self._stopping:
                    await runner.run()
                if runner.lost:
                    self._log_lost("subscription %s: another worker has claimed partition %d", lease)
            finally:
                del self._held[lease]
                self.subscription.telemetry.lease("lost" if runner.lost or scope.cancel_called else "released")
                self._moved()  # another worker may move the checkpoint from now on
                self._lost_at = anyio.current_time()
                self._changed.send()
                with anyio.move_on_after(_RELEASE, shield=True):
                    await self._partitions.release([lease])
                logger.info("subscription %s: this worker has released partition %d", *lease[:2])

    def _delay(self) -> float:
        """Return the delay until leases are renewed. It is shorter for a while after a partition was lost."""
        just_lost = anyio.current_time() - self._lost_at < self._lease
        return min(_SOON, self._lease / 3) if just_lost else self._lease / 3

    def _cancel_others(self, kept: set[Lease]) -> None:
        for lease, held in self._held.items():
            if lease not in kept and not held.scope.cancel_called:
                self._log_lost("subscription %s: lost partition %d", lease)
                held.scope.cancel()

    def _log_lost(self, warning: str, lease: Lease) -> None:
        """Log that a partition was lost: a warning, unless an operator of this process moves its checkpoint."""
        if self._is_moved:
            logger.info("subscription %s: an operator moves partition %d", lease.subscription, lease.partition)
        else:
            logger.warning(warning, lease.subscription, lease.partition)

    def _runner(self, lease: Lease) -> PartitionRunner:
        return PartitionRunner(
            self.subscription, lease, self._log, self._appended, self._awaited, self._moved, self._skip
        )

    def _skip(self) -> None:
        self.skipped += 1

    def _moved(self) -> None:
        found = [held.runner.checkpoint for held in self._held.values()]
        checkpoints = [each for each in found if each is not None]
        if len(checkpoints) < max([1, *(held.runner.partitions for held in self._held.values())]):
            self._on_progress(self.subscription.name, None, NO_RUNS)
            return
        lowest = min(checkpoints, key=lambda each: each.position)
        runs = {held.runner.runs for held in self._held.values()}
        whole = replace(lowest, parked=sum(each.parked for each in checkpoints))
        self._on_progress(self.subscription.name, whole, runs.pop() if len(runs) == 1 else NO_RUNS)
