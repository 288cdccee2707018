"""Run the partitions of a subscription that this process holds: claim them, renew their leases, give them back."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal, TypeAlias

import anyio
from anyio.abc import TaskGroup

from .._background.backoff import Backoff
from .._background.signal import Signal
from .._definitions.position import START, Position
from .._writing.transactions import writing
from ..errors import CheckpointMoved, ForeignLog
from ..ports.checkpoints import Checkpoint, Lease
from .partition_loop import Runner
from .partition_steps import Log
from .partitions import shares
from .subscription import Subscription

logger = logging.getLogger("twofold.subscriptions")

State: TypeAlias = Literal["stopped", "standby", "running", "failing"]

_SOON = 0.1
"""How often a worker tries to have back what it has lost, in seconds."""

_RELEASE = 2.0
"""How long giving a partition back may take, in seconds; a lease that is not given back ends by itself."""


@dataclass(slots=True)
class Held:
    """A partition that this process holds, and how to take it away from its runner."""

    runner: Runner
    scope: anyio.CancelScope


class Worker:
    """Works on one subscription, beside workers of other processes. Each of them holds its share of the partitions.

    The leases are renewed in a task of their own, so that a slow handler is not robbed. A worker that cannot renew them
    stops when they end by its own clock; one that was paused for longer finds that its writes are refused.

    Args:
        subscription: what to run.
        log: the log to read, and what decodes it.
        owner: what this process is called.
        lease: how long its claims outlive it, in seconds.
        appended: sent when events were appended.
        awaited: sent when somebody waits for a subscription to move on.
        report: called with the lowest checkpoint when all partitions are held here, else with None.
    """

    def __init__(
        self,
        subscription: Subscription,
        log: Log,
        owner: str,
        lease: float,
        appended: Signal,
        awaited: Signal,
        report: Callable[[str, Checkpoint | None], None],
    ) -> None:
        self.subscription = subscription
        self._log = log
        self._owner = owner
        self._lease = lease
        self._appended = appended
        self._awaited = awaited
        self._report = report
        self._held: dict[Lease, Held] = {}
        self._partitions = subscription.partitions
        self._running = False
        self._stopping = False
        self._changed = Signal()
        self._lost_at = float("-inf")
        self._error: Exception | None = None

    @property
    def state(self) -> State:
        """How it is doing."""
        if not self._running:
            return "stopped"
        if self.error is not None:
            return "failing"
        return "running" if self._held else "standby"

    @property
    def error(self) -> Exception | None:
        """What it fails with at the moment."""
        errors = [each.runner.error for each in self._held.values() if each.runner.error is not None]
        return errors[0] if errors else self._error

    async def prepare(self) -> None:
        """Write the first checkpoints of a new subscription that begins elsewhere than at the beginning.

        Raises:
            ForeignLog: its checkpoint belongs to another log.
        """
        subscription = self.subscription
        partitions = await subscription.store.subscriptions.partitions(subscription.name)
        for partition in partitions:
            if partition.checkpoint.log != self._log.identity:
                raise ForeignLog(
                    f"cannot run {subscription.name!r}: its checkpoint belongs to log {partition.checkpoint.log}, this "
                    f"one is {self._log.identity}. A restored backup or another database counts as another log: point the "
                    "application to the store it belongs to, or give the subscription and its views new names to build it "
                    "anew. Where the database was only made anew for development, empty the read store: it is filled again."
                )
        if not partitions and subscription.start != "beginning":
            await self._begin()

    def stop(self) -> None:
        """Let the runners end after the step they are in."""
        self._stopping = True
        self._changed.send()
        for held in self._held.values():
            held.runner.stop()

    async def run(self) -> None:
        """Work until stopped or cancelled."""
        self._running = True
        try:
            async with anyio.create_task_group() as runners:
                sure_until, backoff = anyio.current_time() + self._lease, Backoff(last=self._lease / 3)
                while not self._stopping:
                    asked, seen = anyio.current_time(), self._changed.count
                    try:
                        await self._tend(runners)
                        sure_until, self._error = asked + self._lease, None
                        backoff.reset()
                        pause = self._pause()
                    except Exception as error:
                        logger.exception("subscription %s: cannot renew its leases", self.subscription.name)
                        if anyio.current_time() > sure_until:
                            self._drop(set())
                        self._error, pause = error, backoff.next()
                    await self._changed.wait(seen, pause)
        finally:
            self._running = False

    async def _tend(self, runners: TaskGroup) -> None:
        """Renew what is held, give back what is too much, and claim what is missing."""
        name, store = self.subscription.name, self.subscription.store
        if self._held:
            self._drop(set(await store.subscriptions.renew(list(self._held), seconds=self._lease)))
        count = len(await store.subscriptions.partitions(name)) or await self._begin()
        if count != self.subscription.partitions and not self._held:
            count = await self._redivide(count)
        self._partitions = count
        workers = 1 if count == 1 else await store.subscriptions.attend(name, self._owner, seconds=self._lease)
        share = ceil(count / workers)
        for held in list(self._held.values())[share:]:
            held.runner.stop()
        if len(self._held) < share:
            free = share - len(self._held)
            for lease in await store.subscriptions.claim(name, self._owner, seconds=self._lease, limit=free):
                runners.start_soon(self._run, lease, count)

    async def _run(self, lease: Lease, count: int) -> None:
        runner = self._runner(lease, count)
        with anyio.CancelScope() as scope:
            self._held[lease] = Held(runner, scope)
            try:
                if not self._stopping:
                    await runner.run()
            finally:
                del self._held[lease]
                self._moved()  # others may move it from now on: what was reported of it is no longer true
                self._lost_at = anyio.current_time()
                self._changed.send()
                with anyio.move_on_after(_RELEASE, shield=True):
                    await self._release(lease)

    def _pause(self) -> float:
        """Return how long to wait until leases are renewed; shorter for a while after one was lost, to have it back soon."""
        just_lost = anyio.current_time() - self._lost_at < self._lease
        return min(_SOON, self._lease / 3) if just_lost else self._lease / 3

    async def _release(self, *leases: Lease) -> None:
        try:
            await self.subscription.store.subscriptions.release(leases)
        except Exception as error:  # noqa: BLE001 -- the lease ends by itself
            logger.warning("subscription %s: could not give a partition back: %s", self.subscription.name, error)

    def _drop(self, kept: set[Lease]) -> None:
        for lease, held in self._held.items():
            if lease not in kept:
                logger.warning("subscription %s: lost partition %d", lease.subscription, lease.partition)
                held.scope.cancel()

    async def _redivide(self, count: int) -> int:
        """Change the number of partitions while no other worker owns one: bring all to one checkpoint, and divide there."""
        name, store, wanted = self.subscription.name, self.subscription.store, self.subscription.partitions
        leases = await store.subscriptions.claim(name, self._owner, seconds=self._lease, limit=count)
        try:
            if len(leases) < count:
                logger.info("subscription %s keeps its %d partitions while other workers hold some", name, count)
                return count
            top = max(partition.checkpoint.position for partition in await store.subscriptions.partitions(name))

            async def renew(_: Position) -> None:
                await store.subscriptions.renew(leases, seconds=self._lease)

            for lease in leases:
                await self._runner(lease, count).catch_up(top, renew)
            parked = shares(await store.parked.keys(name), wanted)
            places = [Checkpoint(top, self._log.identity, count) for count in parked]
            await self._divide(places, leases)
            logger.info("subscription %s has %d partitions now, it had %d", name, wanted, count)
            return wanted
        finally:
            with anyio.CancelScope(shield=True):
                await self._release(*leases)

    def _runner(self, lease: Lease, count: int) -> Runner:
        return Runner(self.subscription, lease, count, self._log, self._appended, self._awaited, self._moved)

    def _moved(self) -> None:
        places = [held.runner.checkpoint for held in self._held.values()]
        known = [place for place in places if place is not None]
        if len(known) < self._partitions:
            self._report(self.subscription.name, None)
            return
        lowest = min(place.position for place in known)
        parked = sum(place.parked for place in known)
        self._report(self.subscription.name, Checkpoint(lowest, self._log.identity, parked))

    async def _begin(self) -> int:
        """Write the first checkpoints; return how many partitions there are now."""
        name, start, count = self.subscription.name, self.subscription.start, self.subscription.partitions
        if start == "now":
            position = await self._log.events.head()
        else:
            position = START if start == "beginning" else Position(int(start))
        try:
            await self._divide([Checkpoint(position, self._log.identity)] * count, ())
        except CheckpointMoved:
            return len(await self.subscription.store.subscriptions.partitions(name))  # another process was faster
        return count

    async def _divide(self, places: Sequence[Checkpoint], leases: Sequence[Lease]) -> None:
        async with writing(self.subscription.store) as transaction:
            await transaction.checkpoints.divide(self.subscription.name, places, leases=leases)
