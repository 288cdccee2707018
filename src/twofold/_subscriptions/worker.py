"""Run the partitions of a subscription that this process holds: claim, renew and release their leases."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Literal, TypeAlias

import anyio
from anyio.abc import TaskGroup

from .._background.backoff import Backoff
from .._background.signal import Signal
from ..ports.checkpoints import Checkpoint, Lease
from .decoded_log import DecodedLog
from .partition_runner import PartitionRunner
from .partitions import Partitions
from .subscription import Subscription

logger = logging.getLogger("twofold.subscriptions")

State: TypeAlias = Literal["stopped", "standby", "running", "failing"]

_SOON = 0.1
"""How often a worker tries to claim a partition that it lost, in seconds."""

_RELEASE = 2.0
"""The timeout of releasing a lease, in seconds. A lease that is not released expires."""


@dataclass(slots=True)
class RunningPartition:
    """A partition that runs in this process, and the scope that cancels it."""

    runner: PartitionRunner
    scope: anyio.CancelScope


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
        on_progress: called with the lowest checkpoint if this process holds all partitions, else with None.
    """

    def __init__(
        self,
        subscription: Subscription,
        log: DecodedLog,
        owner: str,
        lease: float,
        appended: Signal,
        awaited: Signal,
        on_progress: Callable[[str, Checkpoint | None], None],
    ) -> None:
        self.subscription = subscription
        self._partitions = Partitions(subscription, log, owner, lease, self._runner)
        self._log = log
        self._owner = owner
        self._lease = lease
        self._appended = appended
        self._awaited = awaited
        self._on_progress = on_progress
        self._held: dict[Lease, RunningPartition] = {}
        self._count = subscription.partitions
        self._running = False
        self._stopping = False
        self._changed = Signal()
        self._lost_at = float("-inf")
        self._error: Exception | None = None

    @property
    def state(self) -> State:
        """The state of the subscription in this process."""
        if not self._running:
            return "stopped"
        if self.error is not None:
            return "failing"
        return "running" if self._held else "standby"

    @property
    def error(self) -> Exception | None:
        """The current failure."""
        errors = [each.runner.error for each in self._held.values() if each.runner.error is not None]
        return errors[0] if errors else self._error

    async def prepare(self) -> None:
        """Check the checkpoints, and create those of a new subscription that does not start at the beginning.

        Raises:
            ForeignLog: a checkpoint belongs to another log.
        """
        await self._partitions.prepare()

    def stop(self) -> None:
        """Stop the partitions after their current batches."""
        self._stopping = True
        self._changed.send()
        for held in self._held.values():
            held.runner.stop()

    async def run(self) -> None:
        """Run until stopped or cancelled."""
        self._running = True
        try:
            async with anyio.create_task_group() as runners:
                valid_until, backoff = anyio.current_time() + self._lease, Backoff(last=self._lease / 3)
                while not self._stopping:
                    asked, seen = anyio.current_time(), self._changed.count
                    try:
                        await self._update_leases(runners)
                        valid_until, self._error = asked + self._lease, None
                        backoff.reset()
                        delay = self._delay()
                    except Exception as error:
                        logger.exception("subscription %s: cannot renew its leases", self.subscription.name)
                        if anyio.current_time() > valid_until:
                            self._cancel_others(set())
                        self._error, delay = error, backoff.next()
                    await self._changed.wait(seen, delay)
        finally:
            self._running = False

    async def _update_leases(self, runners: TaskGroup) -> None:
        """Renew the leases, stop the partitions above this process's share, and claim the missing ones."""
        name, store = self.subscription.name, self.subscription.store.subscriptions
        if self._held:
            self._cancel_others(set(await store.renew(list(self._held), seconds=self._lease)))
        count = len(await store.partitions(name)) or await self._partitions.create()
        if count != self.subscription.partitions and not self._held:
            count = await self._partitions.change(count)
        self._count = count
        workers = 1 if count == 1 else await store.attend(name, self._owner, seconds=self._lease)
        share = ceil(count / workers)
        for held in list(self._held.values())[share:]:
            held.runner.stop()
        if len(self._held) < share:
            free = share - len(self._held)
            for lease in await store.claim(name, self._owner, seconds=self._lease, limit=free):
                runners.start_soon(self._run, lease, count)

    async def _run(self, lease: Lease, count: int) -> None:
        runner = self._runner(lease, count)
        with anyio.CancelScope() as scope:
            self._held[lease] = RunningPartition(runner, scope)
            try:
                if not self._stopping:
                    await runner.run()
            finally:
                del self._held[lease]
                self._moved()  # another worker may move the checkpoint from now on
                self._lost_at = anyio.current_time()
                self._changed.send()
                with anyio.move_on_after(_RELEASE, shield=True):
                    await self._partitions.release([lease])

    def _delay(self) -> float:
        """Return the delay until leases are renewed. It is shorter for a while after a partition was lost."""
        just_lost = anyio.current_time() - self._lost_at < self._lease
        return min(_SOON, self._lease / 3) if just_lost else self._lease / 3

    def _cancel_others(self, kept: set[Lease]) -> None:
        for lease, held in self._held.items():
            if lease not in kept:
                logger.warning("subscription %s: lost partition %d", lease.subscription, lease.partition)
                held.scope.cancel()

    def _runner(self, lease: Lease, count: int) -> PartitionRunner:
        return PartitionRunner(self.subscription, lease, count, self._log, self._appended, self._awaited, self._moved)

    def _moved(self) -> None:
        found = [held.runner.checkpoint for held in self._held.values()]
        checkpoints = [each for each in found if each is not None]
        if len(checkpoints) < self._count:
            self._on_progress(self.subscription.name, None)
            return
        lowest = min(each.position for each in checkpoints)
        parked = sum(each.parked for each in checkpoints)
        self._on_progress(self.subscription.name, Checkpoint(lowest, self._log.identity, parked))
