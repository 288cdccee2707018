"""Run a subscription: read the log, take a page, rest when there is nothing to do."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Literal, TypeAlias

import anyio

from ._event_types import EventTypes
from ._progress import Progress
from ._signal import Signal
from ._subscription import Subscription
from .errors import CheckpointMoved, ForeignLog
from .ports.clock import Clock
from .ports.event_log import START, EventLog, Position
from .ports.subscription_store import Checkpoint

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

State: TypeAlias = Literal["stopped", "running", "failing"]


class Runner:
    """Runs one subscription until it is cancelled or told to stop.

    Whatever fails is logged, shown in `state` and `error`, and tried again with growing pauses; the runner itself never
    ends by a failure. After a failure it reads its checkpoint back from the store, so nothing is assumed.

    Args:
        subscription: what to run.
        log: the log to read.
        identity: the identity of that log.
        event_types: decodes events.
        clock: the time.
        appended: sent when this process appended events.
        awaited: sent when somebody waits for a subscription to move on.
        report: called with each new checkpoint.
    """

    def __init__(
        self,
        subscription: Subscription,
        log: EventLog,
        identity: str,
        event_types: EventTypes,
        clock: Clock,
        appended: Signal,
        awaited: Signal,
        report: Callable[[str, Checkpoint], None],
    ) -> None:
        self.subscription = subscription
        self.state: State = "stopped"
        self.error: Exception | None = None
        self._log = log
        self._identity = identity
        self._event_types = event_types
        self._clock = clock
        self._appended = appended
        self._awaited = awaited
        self._report = report
        self._stopping = False

    async def prepare(self) -> None:
        """Write the first checkpoint of a subscription that begins elsewhere than at the beginning.

        Raises:
            ForeignLog: its checkpoint belongs to another log.
        """
        progress = await self._load()
        if progress.checkpoint.position == START and self.subscription.start != "beginning":
            await self._write_start()

    def stop(self) -> None:
        """Let the runner end after the step it is in."""
        self._stopping = True

    async def run(self) -> None:
        """Run until stopped or cancelled. Cancelling rolls the current step back; it is no failure."""
        pause = FIRST_PAUSE
        try:
            self.state = "running"
            while not self._stopping:
                try:
                    await self._follow(await self._load())
                except CheckpointMoved:
                    logger.info("subscription %s: another worker moved its checkpoint", self.subscription.name)
                except Exception as error:
                    self.state, self.error = "failing", error
                    logger.exception("subscription %s failed and goes on in %.2f s", self.subscription.name, pause)
                    await anyio.sleep(pause)
                    pause = min(pause * 2, LAST_PAUSE)
                else:
                    return
        finally:
            self.state = "stopped"

    async def _follow(self, progress: Progress) -> None:
        poll = FIRST_POLL
        while not self._stopping:
            appended, awaited = self._appended.count, self._awaited.count
            page = await self._log.read_all(
                after=progress.checkpoint.position, limit=PAGE, names=self.subscription.events
            )
            if page.last > progress.checkpoint.position:
                began = anyio.current_time()
                await progress.take(page)
                self.state, self.error = "running", None
                poll = FIRST_POLL
                if len(page.events) == PAGE:
                    continue
                await self._awaited.wait(awaited, min(REST * (anyio.current_time() - began), LONGEST_REST))
            await self._appended.wait(appended, poll)
            poll = min(poll * 2, LAST_POLL)

    async def _load(self) -> Progress:
        stored = await self.subscription.store.checkpoint(self.subscription.name)
        if stored is not None and stored.log != self._identity:
            raise ForeignLog(
                f"cannot run {self.subscription.name!r}: its checkpoint belongs to log {stored.log}, this one is "
                f"{self._identity}. A restored backup or another database counts as another log: point the application "
                "to the store it belongs to, or give the subscription and its views new names to build it anew."
            )
        name = self.subscription.name
        return Progress(
            self.subscription, stored, self._identity, self._event_types, self._clock, lambda to: self._report(name, to)
        )

    async def _write_start(self) -> None:
        start = self.subscription.start
        position = await self._log.head() if start == "now" else Position(int(start))
        transaction = await self.subscription.store.begin()
        try:
            to = Checkpoint(position, self._identity)
            await transaction.advance(self.subscription.name, expected=None, to=to)
            await transaction.commit()
        except CheckpointMoved:
            await transaction.rollback()
        except BaseException:
            with anyio.CancelScope(shield=True):
                await transaction.rollback()
            raise
