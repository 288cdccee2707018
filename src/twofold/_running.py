"""An application while it runs: its consistency, its subscriptions and their supervisor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ._assembly import Assembly
from ._consistency import Consistency
from ._inline import begin_inline
from ._runner import Runner
from ._scope import Origin
from ._session import Session
from ._signal import Signal
from ._status import SubscriptionStatus
from ._supervisor import Supervisor
from .ports.event_log import START
from .ports.stores import ReadStore
from .ports.subscription_store import Checkpoint

if TYPE_CHECKING:
    from ._application import Application

_DRAIN = 5.0
"""How long a stopping application waits for the current steps of its subscriptions, in seconds."""


class Running:
    """What an application has only while it is entered.

    Args:
        app: the application.
        assembly: its checked wiring.
    """

    def __init__(self, app: Application, assembly: Assembly) -> None:
        self.assembly = assembly
        self.appended = Signal()
        self.identity = ""
        self._app = app
        self._log = app.write.log
        self._consistency = Consistency(self._log, app.read)
        self._supervisor = Supervisor()
        self._runners: list[Runner] = []
        self._drain = _DRAIN

    async def start(self, work: bool) -> None:
        """Open the stores, bring inline projections up to date and start the subscriptions."""
        stores: list[ReadStore] = [self._app.write]
        if self._app.read is not self._app.write:
            stores.append(self._app.read)
        for store in stores:
            await store.open(self.assembly.views)
        self.identity = await self._log.identity()
        for projection in self.assembly.inline:
            await begin_inline(projection, self.assembly, self._app.write, self.identity)
        self._runners = [
            Runner(
                subscription, self._log, self.identity, self.assembly.event_types, self._app.clock, self.appended,
                self._consistency.awaited,
                self._consistency.report,
            )
            for subscription in self.assembly.subscriptions
        ]  # fmt: skip
        for runner in self._runners:
            await runner.prepare()
        if work:
            for runner in self._runners:
                self._supervisor.start(runner.run)

    async def stop(self) -> None:
        """Let the subscriptions finish their step, cancel those that do not, and close the stores."""
        for runner in self._runners:
            runner.stop()
        self.appended.send()
        await self._supervisor.stop(self._drain)
        await self._app.write.close()
        if self._app.read is not self._app.write:
            await self._app.read.close()

    def session(self, origin: Origin, token: str | None) -> Session:
        """Open a session for the current task."""
        return Session(self.assembly.services, self._consistency, self.assembly.reads, origin, self.identity, token)

    async def settle(self) -> None:
        """Return when every subscription has passed the head of the log, and the head has not moved meanwhile."""
        while True:
            seen = self._consistency.moved.count
            self._consistency.awaited.send()
            head = await self._log.head()
            checkpoints = [await self._checkpoint(runner) for runner in self._runners]
            if all(each.position >= head for each in checkpoints) and head == await self._log.head():
                return
            await self._consistency.moved.wait(seen, 0.05)

    async def status(self) -> Sequence[SubscriptionStatus]:
        """Return how every projection and reaction is doing."""
        head = await self._log.head()
        statuses = [SubscriptionStatus(each.name, "projection", "inline", head, 0, 0) for each in self.assembly.inline]
        for runner in self._runners:
            checkpoint = await self._checkpoint(runner)
            behind = await self._log.count(after=checkpoint.position, upto=head) if checkpoint.position < head else 0
            error = "" if runner.error is None else f"{type(runner.error).__name__}: {runner.error}"
            statuses.append(
                SubscriptionStatus(
                    runner.subscription.name, runner.subscription.kind, runner.state, checkpoint.position, behind,
                    checkpoint.parked, error,
                )
            )  # fmt: skip
        return statuses

    def store_of(self, subscription: str) -> ReadStore:
        """Return the store that holds a subscription's checkpoint."""
        for each in self.assembly.subscriptions:
            if each.name == subscription:
                return each.store
        known = ", ".join(each.name for each in self.assembly.subscriptions) or "none"
        raise LookupError(f"there is no subscription {subscription!r}. Subscriptions: {known}.")

    async def _checkpoint(self, runner: Runner) -> Checkpoint:
        found = await runner.subscription.store.checkpoint(runner.subscription.name)
        return found or Checkpoint(START, self.identity)
