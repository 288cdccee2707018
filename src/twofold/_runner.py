"""Run one segment of a subscription: read the log, take a page, rest when there is nothing to do."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import anyio

from ._progress import Log, Progress
from ._segments import cut, segment_of
from ._signal import Signal
from ._subscription import Subscription
from .errors import CheckpointMoved
from .ports.event_log import LogPage, Position
from .ports.subscription_store import Checkpoint, Lease

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

FIRST_PAUSE = 0.05
LAST_PAUSE = 5.0
"""How long a failing subscription waits before it goes on, in seconds."""


class LeaseLost(Exception):
    """Another worker has claimed the segment."""


class Runner:
    """Runs one segment until it is cancelled, told to stop, or taken away.

    Whatever fails is logged, shown in `error`, and tried again with growing pauses; the runner itself never ends by a
    failure. After a failure it reads its checkpoint back from the store, so nothing is assumed.

    Args:
        subscription: what to run.
        lease: the segment, and the right to move it.
        segments: how many segments there are.
        log: the log to read, and what decodes it.
        appended: sent when events were appended.
        awaited: sent when somebody waits for a subscription to move on.
        moved: called after each step.
    """

    def __init__(
        self,
        subscription: Subscription,
        lease: Lease,
        segments: int,
        log: Log,
        appended: Signal,
        awaited: Signal,
        moved: Callable[[], None],
    ) -> None:
        self.error: Exception | None = None
        self.checkpoint: Checkpoint | None = None
        self._subscription = subscription
        self._lease = lease
        self._segments = segments
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
        name, pause = self._subscription.name, FIRST_PAUSE
        while not self._stopping:
            try:
                await self._follow(await self._load())
            except LeaseLost:
                logger.warning("subscription %s: another worker has taken segment %d", name, self._lease.segment)
                return
            except CheckpointMoved:
                logger.info("subscription %s: somebody moved its checkpoint", name)
            except Exception as error:
                self.error = error
                logger.exception("subscription %s failed and goes on in %.2f s", name, pause)
                await anyio.sleep(pause)
                pause = min(pause * 2, LAST_PAUSE)

    async def catch_up(self, upto: Position, between: Callable[[Position], Awaitable[None]]) -> None:
        """Deal with the log up to a position, and no further.

        Args:
            upto: the position.
            between: awaited after each page, with the position reached.
        """
        progress = await self._load()
        while progress.checkpoint.position < upto:
            await progress.take(cut(await self._page(progress), upto))
            await between(progress.checkpoint.position)

    async def _follow(self, progress: Progress) -> None:
        poll = FIRST_POLL
        while not self._stopping:
            appended, awaited = self._appended.count, self._awaited.count
            if progress.checkpoint.parked:
                await self._retry(progress)
            page = await self._page(progress)
            if page.last > progress.checkpoint.position:
                began = anyio.current_time()
                await progress.take(page)
                self.error = None
                poll = FIRST_POLL
                if len(page.events) == PAGE:
                    continue
                await self._awaited.wait(awaited, min(REST * (anyio.current_time() - began), LONGEST_REST))
            await self._appended.wait(appended, poll)
            poll = min(poll * 2, LAST_POLL)

    async def _page(self, progress: Progress) -> LogPage:
        return await self._log.events.read_all(
            after=progress.checkpoint.position, limit=PAGE, names=self._subscription.events
        )

    async def _retry(self, progress: Progress) -> None:
        for key in sorted(await self._subscription.store.retries(self._subscription.name)):
            if segment_of(key, self._segments) == self._lease.segment:
                await progress.retry(key)

    async def _load(self) -> Progress:
        for segment in await self._subscription.store.segments(self._subscription.name):
            if (segment.number, segment.generation) == self._lease[1:]:
                self._note(segment.checkpoint)
                return Progress(
                    self._subscription, segment.checkpoint, self._lease, self._segments, self._log, self._note
                )
        raise LeaseLost

    def _note(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self._moved()
