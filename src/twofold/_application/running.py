"""An application while it runs: its consistency, its subscriptions and their supervisor."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from os import getpid
from socket import gethostname
from typing import TYPE_CHECKING

import anyio

from .._background.signal import Signal
from .._background.supervisor import Supervisor
from .._caching.cached_query import forget_answers
from .._definitions.envelope import Origin
from .._definitions.position import START, Position
from .._dispatch.session import Session
from .._subscriptions.effects import ProjectionEffect
from .._subscriptions.inline import begin_inline
from .._subscriptions.partition_steps import Log
from .._subscriptions.partitions import segment_of
from .._subscriptions.rebuild import Rebuild, Report
from .._subscriptions.status import SubscriptionStatus, nothing_set_aside, set_aside
from .._subscriptions.worker import Worker
from .._wiring.assembly import Assembly
from ..errors import CheckpointMoved, TransientFailure
from ..ports.checkpoints import Checkpoint, Lease
from ..ports.parked import ParkedEvent
from ..ports.schedule import ScheduledCommand
from ..ports.stores import ReadStore
from ..ports.transactions import ReadTransaction
from .health import Health, health
from .messaging import Outside
from .retention import Retention
from .timers import Timers, postpone

logger = logging.getLogger("twofold.running")

if TYPE_CHECKING:
    from .application import Application

_DRAIN = 5.0
"""How long a stopping application waits for the current steps of its subscriptions, in seconds."""

_WATCH_AGAIN = 1.0
"""Seconds until hints of other processes are listened to again after they were lost."""

_LONG = 3600.0

_NAMED = 10
"""How many scheduled commands that failed too often a probe is told of."""


class Running:
    """What an application has only while it is entered.

    Args:
        app: the application.
        assembly: its checked wiring.
    """

    def __init__(self, app: Application, assembly: Assembly) -> None:
        self.assembly = assembly
        self.commands = assembly.services.commands
        self.appended = Signal()
        self.identity = ""
        self._app = app
        self._log = app.write.log
        self._hints = app.hints
        self._consistency = assembly.consistency
        self._supervisor = Supervisor()
        self._workers: list[Worker] = []
        self._outside = Outside(app, assembly, self.committed, self.session)
        self._timers = Timers(assembly.services, self._session_of, app.retry_scheduled)
        self._drain = _DRAIN
        self._works = False
        self._owner = f"{gethostname()}/{getpid()}/{app.ids.new().hex[:12]}"
        self._decoded: Log | None = None
        self._announced = Signal()

    async def start(self, work: bool) -> None:
        """Open the stores, bring inline projections up to date and start the subscriptions."""
        if self._app.read is not self._app.write:
            await self._app.write.open(())  # rows are read from the other one
        await self._app.read.open(self.assembly.views)
        self.identity = await self._log.identity()
        await self._outside.open(work=work)
        for projection in self.assembly.inline:
            await begin_inline(projection, self.assembly, self._app.write, self.identity)
        log = self._decoded = Log(self._log, self.identity, self.assembly.event_types, self._app.clock)
        consistency, owner, report = self._consistency, self._owner, self._outside.report_of
        self._workers = [
            Worker(
                each, log, owner, self._app.lease, self.appended, consistency.awaited, report(each, consistency.report)
            )
            for each in self.assembly.subscriptions
        ]
        for worker in self._workers:
            await worker.prepare()
        self._supervisor.start(self._announce, endless=True)
        if work:
            self._works = True
            self._supervisor.start(self._watch, endless=True)
            keep = self._app.keep_records
            if keep is not None:
                retention = Retention(self._app.write, self._app.clock)
                self._supervisor.start(partial(retention.run, keep), endless=True)
            for worker in self._workers:
                self._supervisor.start(worker.run)
            self._supervisor.start(self._timers.run)
        for job in self._outside.jobs(work=work):
            self._supervisor.start(job, endless=True)
        if work:
            await self._outside.begun()

    async def stop(self) -> None:
        """Let the subscriptions finish their step, cancel those that do not, and close the stores."""
        for worker in self._workers:
            worker.stop()
        self._timers.stop()
        self.appended.send()
        await self._supervisor.stop(self._drain)
        self.assembly.services.ended.send()
        await self._outside.close()
        await self._app.write.close()
        if self._app.read is not self._app.write:
            await self._app.read.close()

    def _session_of(self, origin: Origin) -> Session:
        return self.session(origin, None)

    def session(self, origin: Origin, token: str | None) -> Session:
        """Open a session for the current task."""
        services, reads = self.assembly.services, self.assembly.reads
        return Session(services, self._consistency, reads, origin, self.identity, self._outside.arrivals, token)

    async def settle(self) -> None:
        """Return when nothing is due or held, and every subscription has passed the head of a log that has not moved."""
        while True:
            seen = self._consistency.moved.count
            self._consistency.awaited.send()
            overdue = await self._timers.overdue()
            if overdue:
                self.assembly.services.scheduled.send()
            head = await self._log.head()
            arrived = [await self._has_arrived(worker, head) for worker in self._workers]
            if all(arrived) and not overdue and await self._outside.quiet() and head == await self._log.head():
                return
            await self._consistency.moved.wait(seen, 0.05)

    async def status(self) -> Sequence[SubscriptionStatus]:
        """Return how every projection and reaction is doing."""
        head = await self._log.head()
        statuses = [SubscriptionStatus(each.name, "projection", "inline", head, 0) for each in self.assembly.inline]
        for worker in self._workers:
            checkpoint = await self._checkpoint(worker)
            behind = await self._log.count(after=checkpoint.position, upto=head) if checkpoint.position < head else 0
            error = "" if worker.error is None else f"{type(worker.error).__name__}: {worker.error}"
            parked, retrying = await set_aside(worker.subscription.store.parked, worker.subscription.name, checkpoint)
            statuses.append(
                SubscriptionStatus(
                    worker.subscription.name, worker.subscription.kind, worker.state, checkpoint.position, behind,
                    parked, retrying, error,
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

    async def retry(self, subscription: str, key: str) -> Sequence[ParkedEvent]:
        """Let the worker of the key try again now what it has set aside; return what is left when it has."""
        store, now = self.store_of(subscription), self._app.clock.now()
        if not await store.parked.read(subscription, key=key):
            raise await nothing_set_aside("retry", store.parked, subscription, key)
        async with _writing(store) as transaction:
            await transaction.parked.retry(subscription, key, at=now)
        pause = 0.01
        while (again := (await store.parked.retries(subscription)).get(key)) is not None and again <= now:
            self.appended.send()
            self._consistency.awaited.send()
            await anyio.sleep(pause)
            pause = min(pause * 2, 0.5)
        return await store.parked.read(subscription, key=key)

    async def scheduled(self, limit: int) -> Sequence[ScheduledCommand]:
        """Return the scheduled commands that are tried next."""
        return await self._app.write.schedule.next(limit=limit)

    async def stuck(self, limit: int) -> Sequence[ScheduledCommand]:
        """Return scheduled commands that failed too often."""
        return await self._app.write.schedule.stuck(limit=limit)

    async def forget_records(self, older_than: timedelta) -> int:
        """Delete old records now; return how many there were."""
        return await Retention(self._app.write, self._app.clock).forget(older_than)

    async def try_again(self, command: ScheduledCommand) -> bool:
        """Let a scheduled command that is stuck be tried again now; return whether it was there."""
        now, services = self._app.clock.now(), self.assembly.services
        found = await postpone(services, command, again=now, attempts=0, reason=command.reason)
        services.scheduled.send()
        return found

    async def rebuild(self, projection: str, report: Report, *, restart: bool) -> None:
        """Build a projection anew, and swap."""
        assembly = self.assembly
        for each in assembly.subscriptions:
            if each.name == projection and isinstance(each.effect, ProjectionEffect) and self._decoded is not None:
                planned, services = each.effect.projection, assembly.services
                rebuild = Rebuild(each, planned, services, self._decoded, self._owner, self._app.lease)
                await rebuild.run(report, restart=restart)
                await forget_answers(self._app.cache, assembly.cached, projection, self.identity)
                return
        known = [each.name for each in assembly.subscriptions if isinstance(each.effect, ProjectionEffect)]
        raise LookupError(
            f"cannot rebuild {projection!r}: there is no such asynchronous projection. There are: {', '.join(known)}."
        )

    async def discard(self, subscription: str, key: str) -> Sequence[ParkedEvent]:
        """Forget the held and parked events of a key, and return them."""
        store = self.store_of(subscription)
        while True:
            segments = await store.subscriptions.segments(subscription)
            parked = await store.parked.read(subscription, key=key)
            if not parked:
                raise await nothing_set_aside("discard", store.parked, subscription, key)
            number, checkpoint, generation, _ = segments[segment_of(key, len(segments))]
            left = replace(checkpoint, parked=checkpoint.parked - len(parked))
            lease = Lease(subscription, number, generation)
            with suppress(CheckpointMoved):
                async with _writing(store) as transaction:
                    await transaction.parked.remove(subscription, [each.event.position for each in parked])
                    await transaction.checkpoints.advance(subscription, expected=checkpoint, to=left, lease=lease)
                return parked

    def committed(self) -> None:
        """Wake whoever waits for events, here and in other processes."""
        self.appended.send()
        self._announced.send()

    async def health(self) -> Health:
        """Say how the application is doing, for probes."""
        try:
            found = await self.status()
            # Where this process works, it claims what nobody holds.
            names = [] if self._works else [each.name for each in found if each.state != "inline"]
            nobody = [name for name in names if not await self._is_held(name)]
            stuck = await self._app.write.schedule.stuck(limit=_NAMED)
            back, ended = await self._log.holding_back(), self._supervisor.failures
            return health(found, nobody, stuck, ended, back, self._outside.problems())
        except TransientFailure as error:
            return Health((f"a store does not answer: {error}",), (), ())

    async def _is_held(self, subscription: str) -> bool:
        segments = await self.store_of(subscription).subscriptions.segments(subscription)
        return bool(segments) and all(segment.owner is not None for segment in segments)

    async def _announce(self) -> None:
        """Tell other processes of events that were appended here; of many at once, once."""
        seen = self._announced.count
        while True:
            await self._announced.wait(seen, _LONG)
            if self._announced.count != seen:
                seen = self._announced.count
                try:
                    await (self._hints.announce(self.identity) if self._hints else self._log.announce())
                except TransientFailure as error:
                    logger.debug("other processes were not told of events: %s", error)

    async def _watch(self) -> None:
        """Hear of events that other processes appended. Polling goes on all the same."""
        while True:
            try:
                heard = self.appended.send
                await (self._hints.watch(self.identity, heard) if self._hints else self._log.watch(heard))
            except TransientFailure as error:
                logger.warning("events of other processes are not announced at the moment: %s", error)
            await anyio.sleep(_WATCH_AGAIN)

    async def _has_arrived(self, worker: Worker, head: Position) -> bool:
        checkpoint, subscription = await self._checkpoint(worker), worker.subscription
        if checkpoint.position < head:
            return False
        return not (checkpoint.parked and await subscription.store.parked.retries(subscription.name))

    async def _checkpoint(self, worker: Worker) -> Checkpoint:
        found = await worker.subscription.store.subscriptions.checkpoint(worker.subscription.name)
        return found or Checkpoint(START, self.identity)


@asynccontextmanager
async def _writing(store: ReadStore) -> AsyncIterator[ReadTransaction]:
    transaction = await store.begin()
    try:
        yield transaction
        await transaction.commit()
    finally:
        with anyio.CancelScope(shield=True):
            await transaction.rollback()
