"""Run one partition of a subscription: read the log, take a page, rest when there is nothing to do."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from math import inf

import anyio

from .._background.backoff import Backoff
from .._background.failures import tell
from .._background.signal import Signal
from .._definitions.partitioning import partition_of
from .._definitions.position import Position
from ..errors import CheckpointMoved
from ..ports.checkpoints import Checkpoint, Lease
from ..ports.event_log import LogPage
from .partition_steps import Log, Progress
from .partitions import cut
from .subscription import Subscription

logger = logging.getLogger("twofold.subscriptions")

PAGE = 500
"""How many events are read, and applied in one step, at most."""

REST = 8
LONGEST_REST = 0.2
"""A subscription that is up to date rests so many times as long as its last step took, at most so many seconds, unless
somebody waits for it. Events gather meanwhile, so that under load steps grow larger instead of more."""

FIRST_POLL = 0.01
LAST_POLL = 0.5
"""How long a resting subscription waits before it looks again without being woken, in seconds."""

TURN = 0.5
"""How long held events are tried again until new ones have their turn, in seconds."""


class LeaseLost(Exception):
    """Another worker has claimed the partition."""


class Runner:
    """Runs one partition until it is cancelled, told to stop, or taken away.

    Whatever fails is logged, shown in `error`, and tried again with growing pauses; the runner itself never ends by a
    failure. After a failure it reads its checkpoint back from the store, so nothing is assumed.

    Args:
        subscription: what to run.
        lease: the partition, and the right to move it.
        partitions: how many partitions there are.
        log: the log to read, and what decodes it.
        appended: sent when events were appended.
        awaited: sent when somebody waits for a subscription to move on.
        moved: called after each step.
    """

    def __init__(
        self,
        subscription: Subscription,
        lease: Lease,
        partitions: int,
        log: Log,
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
        """Let the runner end after the step it is in."""
        self._stopping = True

    async def run(self) -> None:
        """Run until stopped, cancelled or robbed. Cancelling rolls the current step back; it is no failure."""
        name, backoff = self._subscription.name, Backoff()
        while not self._stopping:
            try:
                await self._follow(await self._load())
            except LeaseLost:
                logger.warning("subscription %s: another worker has taken partition %d", name, self._lease.partition)
                return
            except CheckpointMoved:
                logger.info("subscription %s: somebody moved its checkpoint", name)
            except Exception as error:  # noqa: BLE001 -- it is told, and tried again
                if self.error is None:
                    backoff.reset()
                self.error, delay = error, backoff.next()
                tell(logger, error, "subscription %s failed and goes on in %.2f s", name, delay)
                await anyio.sleep(delay)

    async def catch_up(self, upto: Position, between: Callable[[Position], Awaitable[None]]) -> float:
        """Deal with the log up to a position, and no further; then try again what is due.

        Args:
            upto: the position.
            between: awaited after each page, with the position reached.

        Returns:
            The seconds until the next try of a held event; infinite when none is held.
        """
        progress = await self._load()
        while progress.checkpoint.position < upto:
            await progress.take(cut(await self._page(progress), upto))
            await between(progress.checkpoint.position)
        return await self._retry(progress)

    async def _follow(self, progress: Progress) -> None:
        poll = Backoff(FIRST_POLL, LAST_POLL)
        while not self._stopping:
            appended, awaited = self._appended.count, self._awaited.count
            page = await self._page(progress)
            began, news = anyio.current_time(), page.last > progress.checkpoint.position
            if news:
                await progress.take(page)
                poll.reset()
            took = anyio.current_time() - began
            next_try = await self._retry(progress)
            self.error = None
            if len(page.events) == PAGE:
                continue
            if news:
                await self._awaited.wait(awaited, min(REST * took, LONGEST_REST, next_try))
            await self._appended.wait(appended, min(poll.next(), next_try))

    async def _page(self, progress: Progress) -> LogPage:
        return await self._log.events.read_all(
            after=progress.checkpoint.position, limit=PAGE, names=self._subscription.events
        )

    async def _retry(self, progress: Progress) -> float:
        """Try again what is due, for a while; return the seconds until the next try."""
        if not progress.checkpoint.parked:
            return inf
        now, began = self._log.clock.now(), anyio.current_time()
        held = [
            (again, key)
            for key, again in (await self._subscription.store.parked.retries(self._subscription.name)).items()
            if partition_of(key, self._partitions) == self._lease.partition
        ]
        for again, key in sorted(held):
            if again > now:
                return (again - now).total_seconds()
            if self._stopping or anyio.current_time() - began > TURN:
                break
            await progress.retry(key, again)
        return 0.0 if held else inf

    async def _load(self) -> Progress:
        for partition in await self._subscription.store.subscriptions.partitions(self._subscription.name):
            if (partition.number, partition.generation) == self._lease[1:]:
                self._note(partition.checkpoint)
                return Progress(
                    self._subscription, partition.checkpoint, self._lease, self._partitions, self._log, self._note
                )
        raise LeaseLost

    def _note(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self._moved()
