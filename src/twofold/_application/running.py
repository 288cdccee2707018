"""An application while it is entered: open stores, workers, and background tasks."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from os import getpid
from secrets import token_hex
from socket import gethostname

import anyio

from .._background.tasks import Supervisor, running_loop
from .._consistency.lag import lowest
from .._definitions.envelope import Origin
from .._definitions.position import START
from .._dispatch.session import Session
from .._subscriptions.decoded_log import DecodedLog
from .._subscriptions.inline_modes import InlineModes
from .._subscriptions.worker import Worker
from .._wiring.assembly import Assembly
from .._wiring.parts import Parts
from ..errors import ApplicationNotRunning
from ..ports.checkpoints import Checkpoint
from ..ports.stores import ReadStore
from ..ports.subscription_store import Partition
from .messaging import Messaging
from .notifications import Notifications
from .relay_again import RelayAgain
from .retention import keep_deleting
from .timers import Timers

_DRAIN = 5.0
"""Seconds that a stopping application waits for the current transactions of its subscriptions."""


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
        self.queries = assembly.services.queries
        self.handles = {message: each.handle for message, each in assembly.services.command_pipelines.items()}
        self.identity = identity
        self.owner = f"{gethostname()}/{getpid()}/{token_hex(6)}"  # `SubscriptionWorker` reads it
        self._loop = running_loop()
        self.log = DecodedLog(parts.write, identity, assembly.event_types, parts.clock)
        services, consistency = assembly.services, assembly.services.consistency
        self.notifications = Notifications(
            parts.write.log, identity, parts.notifier, services.committed, services.appended
        )
        self.supervisor = Supervisor()
        relays = [each for each in assembly.subscriptions if each.kind == "relay"]
        again = RelayAgain(relays, self.log, self.owner, parts.lease, self.notifications.appended)
        self.messaging = Messaging(parts, assembly, services.committed.send, self.session, again, self.owner)
        services.running.start()
        services.conversations.log, services.conversations.arrivals = identity, self.messaging.arrivals
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

    def loop(self) -> AbstractEventLoop:
        """Return the event loop in which the application runs.

        Raises:
            ApplicationNotRunning: the loop is not asyncio's, so that other threads cannot call it.
        """
        if self._loop is None:
            raise ApplicationNotRunning(
                f"the application {self.parts.name!r} runs on trio, where app.sync cannot call it. Run it on asyncio."
            )
        return self._loop

    async def start(self) -> None:
        """Start the inline projections, the subscriptions and the background tasks."""
        parts, works = self.parts, self.parts.work
        await self.messaging.open(work=works)
        modes = InlineModes(self.assembly.services, self.log, self.owner, parts.lease)
        await modes.start(self.assembly.inline, self.assembly.subscriptions, writes=self.assembly.writes)
        for worker in self.workers:
            await worker.prepare()
        self.supervisor.start(self.notifications.announce, endless=True)
        if works:
            self.supervisor.start(self.notifications.listen, endless=True)
            if parts.keep_records is not None:
                retention = partial(keep_deleting, parts.write, parts.clock, parts.keep_records)
                self.supervisor.start(retention, endless=True)
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
        """Let the subscriptions finish their batches, then cancel the others."""
        for worker in self.workers:
            worker.stop()
        self.timers.stop()
        self.notifications.appended.send()
        await self.supervisor.stop(self._drain)
        self.assembly.services.ended.send()
        self.assembly.services.changed.send()
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

    async def partitions(self, worker: Worker) -> Sequence[Partition]:
        """Return the partitions of a worker's subscription; none when it never ran."""
        return await worker.subscription.store.subscriptions.partitions(worker.subscription.name)

    async def checkpoints(self, worker: Worker) -> Sequence[Checkpoint]:
        """Return the committed checkpoints of the partitions of a worker's subscription; none when it never ran."""
        return [partition.checkpoint for partition in await self.partitions(worker)]

    def lowest(self, checkpoints: Sequence[Checkpoint]) -> Checkpoint:
        """Return the lowest checkpoint, with the number of parked events of all partitions."""
        return lowest(checkpoints) or Checkpoint(START, self.identity)


async def launch(parts: Parts, assembly: Assembly) -> Running:
    """Open the stores and start an application; after a failure, close what was opened.

    Raises:
        SchemaMissing: a store lacks tables.
        TransientFailure: a store does not answer.
    """
    opened = AsyncExitStack()
    try:
        if parts.read is not parts.write:
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
