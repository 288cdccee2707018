"""An application while it is entered: open stores, workers, and background tasks."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from os import getpid
from socket import gethostname

import anyio

from .._background.supervisor import Supervisor
from .._definitions.envelope import Origin
from .._definitions.position import START, Position
from .._dispatch.session import Session
from .._subscriptions.decoded_log import DecodedLog
from .._subscriptions.inline import begin_inline
from .._subscriptions.worker import Worker
from .._wiring.assembly import Assembly
from .._wiring.parts import Parts
from ..ports.checkpoints import Checkpoint
from ..ports.stores import ReadStore
from .messaging import Messaging
from .notifications import Notifications
from .retention import Retention
from .timers import Timers

_DRAIN = 5.0
"""How long a stopping application waits for the current batches of its subscriptions, in seconds."""


class Running:
    """The state that an application has only while it is entered.

    Attributes:
        parts: the parts of the application.
        assembly: its checked wiring.
        log: the event log with its decoder.
        workers: one for each subscription, also where this process does not run them.
        owner: the name of this process in leases.

    Args:
        parts: the parts of the application.
        assembly: its checked wiring.
        identity: the identity of the log.
        opened: what `close` closes.
    """

    def __init__(self, parts: Parts, assembly: Assembly, identity: str, opened: AsyncExitStack) -> None:
        self.parts = parts
        self.assembly = assembly
        self.commands = assembly.services.commands
        self.pipelines = assembly.services.command_pipelines
        self.identity = identity
        self.owner = f"{gethostname()}/{getpid()}/{parts.ids.new().hex[:12]}"
        self.log = DecodedLog(parts.write.log, identity, assembly.event_types, parts.clock)
        services, consistency = assembly.services, assembly.services.consistency
        self.notifications = Notifications(
            parts.write.log, identity, parts.notifier, services.committed, services.appended
        )
        self.supervisor = Supervisor()
        self.messaging = Messaging(parts, assembly, services.committed.send, self.session)
        services.running.start()
        services.conversations.start(identity, self.messaging.arrivals)
        self.timers = Timers(services, self._session_of, parts.retry_scheduled)
        self.workers = [
            Worker(
                each, self.log, self.owner, parts.lease, self.notifications.appended, consistency.awaited,
                self.messaging.report_of(each, consistency.report),
            )
            for each in assembly.subscriptions
        ]  # fmt: skip
        self._drain = _DRAIN
        self._opened = opened

    async def start(self) -> None:
        """Bring inline projections up to date, and start the subscriptions and the background tasks."""
        parts, works = self.parts, self.parts.work
        await self.messaging.open(work=works)
        for projection in self.assembly.inline:
            await begin_inline(
                projection, self.assembly.services, self.assembly.event_types, parts.write, self.identity
            )
        for worker in self.workers:
            await worker.prepare()
        self.supervisor.start(self.notifications.announce, endless=True)
        if works:
            self.supervisor.start(self.notifications.listen, endless=True)
            if parts.keep_records is not None:
                retention = Retention(parts.write, parts.clock)
                self.supervisor.start(partial(retention.run, parts.keep_records), endless=True)
            for worker in self.workers:
                self.supervisor.start(worker.run)
            self.supervisor.start(self.timers.run)
        for job in self.messaging.jobs(work=works):
            self.supervisor.start(job, endless=True)
        if works:
            await self.messaging.begun()

    async def close(self) -> None:
        """Stop, and close the stores."""
        with anyio.CancelScope(shield=True):
            await self._opened.aclose()  # event handlers that still run may dispatch until the end

    async def stop(self) -> None:
        """Let the subscriptions finish their batch, then cancel those that do not."""
        for worker in self.workers:
            worker.stop()
        self.timers.stop()
        self.notifications.appended.send()
        await self.supervisor.stop(self._drain)
        self.assembly.services.ended.send()
        await self.messaging.close()

    def session(self, origin: Origin, token: str | None) -> Session:
        """Open a session for the current task."""
        services = self.assembly.services
        return Session(services, services.conversations.open(origin, token))

    def _session_of(self, origin: Origin) -> Session:
        return self.session(origin, None)

    def store_of(self, subscription: str) -> ReadStore:
        """Return the store that holds a subscription's checkpoint.

        Raises:
            LookupError: there is no such subscription.
        """
        for each in self.assembly.subscriptions:
            if each.name == subscription:
                return each.store
        known = ", ".join(each.name for each in self.assembly.subscriptions) or "none"
        raise LookupError(f"There is no subscription {subscription!r}. Subscriptions: {known}.")

    async def checkpoint(self, worker: Worker) -> Checkpoint:
        """Return the committed checkpoint of a worker's subscription; the start of the log when it never ran."""
        found = await worker.subscription.store.subscriptions.checkpoint(worker.subscription.name)
        return found or Checkpoint(START, self.identity)

    async def settle(self) -> None:
        """Return when nothing is due or waits for a retry, and every subscription has passed the head of a log at rest."""
        consistency, log = self.assembly.services.consistency, self.parts.write.log
        while True:
            seen = consistency.moved.count
            consistency.awaited.send()
            overdue = await self.timers.overdue()
            if overdue:
                self.assembly.services.scheduled.send()
            head = await log.head()
            passed = [await self._has_passed(worker, head) for worker in self.workers]
            if all(passed) and not overdue and await self.messaging.quiet() and head == await log.head():
                return
            await consistency.moved.wait(seen, 0.05)

    async def _has_passed(self, worker: Worker, head: Position) -> bool:
        checkpoint, subscription = await self.checkpoint(worker), worker.subscription
        if checkpoint.position < head:
            return False
        return not (checkpoint.parked and await subscription.store.parked.retries(subscription.name))


async def launch(parts: Parts, assembly: Assembly) -> Running:
    """Open the stores and start an application; after a failure, close what was opened.

    Raises:
        SchemaMissing: a store lacks tables.
        TransientFailure: a store does not answer.
    """
    opened = AsyncExitStack()
    try:
        if not parts.one_store:
            opened.push_async_callback(parts.write.close)
            await parts.write.open(())  # the rows are in the read store
        opened.push_async_callback(parts.read.close)
        await parts.read.open(assembly.views)
        running = Running(parts, assembly, await parts.write.log.identity(), opened)
        opened.push_async_callback(running.stop)
        await running.start()
    except BaseException:
        with anyio.CancelScope(shield=True):
            await opened.aclose()
        raise
    return running
